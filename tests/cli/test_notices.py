"""Messages to the operator."""

import io
import sys

import pytest

from gateway.cli.notices import notice


def test_a_notice_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    notice("the gateway is not ready")
    assert capsys.readouterr() == ("", "inbox-gateway: the gateway is not ready\n")


class _Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError("no space")


def test_an_output_that_is_full_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", _Full())
    notice("lost")
