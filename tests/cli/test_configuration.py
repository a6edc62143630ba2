"""The settings of a command, and the generated secret key."""

from pathlib import Path

import pytest

from gateway.cli.configuration import read_settings, secret_key_path, with_secret_key
from gateway.server.errors import DataDirectoryError
from gateway.settings import Settings


def test_options_take_precedence_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INBOX_PORT", "1")
    assert read_settings(port=None, host="::1").port == 1
    assert read_settings(port=2).port == 2


def test_a_key_that_is_set_is_used_and_not_stored(tmp_path: Path) -> None:
    settings = Settings(secret_key="set", data_dir=tmp_path)
    assert with_secret_key(settings) is settings
    assert not secret_key_path(settings).exists()


def test_a_generated_key_is_private_and_stays_the_same(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    key = with_secret_key(settings).secret_key
    assert len(key) == 43
    assert secret_key_path(settings).stat().st_mode & 0o777 == 0o600
    assert with_secret_key(settings).secret_key == key


def test_a_node_on_a_shared_redis_gets_a_notice_about_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_secret_key(Settings(data_dir=tmp_path, redis_url="redis://localhost"))
    assert "Nodes that share a Redis need the same key" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "short", "two\n" + "x" * 40, "x" * 20 + " " + "x" * 20])
def test_a_damaged_key_is_refused(tmp_path: Path, text: str) -> None:
    settings = Settings(data_dir=tmp_path)
    with_secret_key(settings)
    secret_key_path(settings).write_text(text)
    with pytest.raises(DataDirectoryError, match="is empty or damaged"):
        with_secret_key(settings)
