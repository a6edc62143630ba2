"""Every exception of the command line is for the operator."""

import pytest

from gateway import cli
from gateway.cli.errors import DemoKeysError, PreparationError, StoreUnusableError
from gateway.server.errors import ServerError
from gateway.settings import SettingsError


@pytest.mark.parametrize(
    "raised",
    [
        DemoKeysError("one sentence"),
        PreparationError("one sentence"),
        StoreUnusableError("one sentence", may_recover=True),
        SettingsError("one sentence"),
        ServerError("one sentence"),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_an_exception_is_one_line_on_standard_error(
    raised: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**options: object) -> None:
        raise raised

    monkeypatch.setattr(cli, "cli", refuse)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, capsys.readouterr()) == (1, ("", "inbox-gateway: one sentence\n"))


def test_a_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**options: object) -> None:
        raise PermissionError(13, "Permission denied", "/data/x")

    monkeypatch.setattr(cli, "cli", refuse)
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err == "inbox-gateway: cannot read or write /data/x: Permission denied\n"
