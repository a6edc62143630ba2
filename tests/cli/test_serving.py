"""`serve` until it starts workers. tests/end_to_end starts real ones."""

import socket

import pytest

from gateway.cli.serving import _child_environment
from gateway.server.errors import SupervisorError
from gateway.settings import Settings
from tests.cli.conftest import Command


def test_child_processes_get_the_settings_that_options_and_files_have_changed(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("INBOX_ACCESS_LOG", "false")
    child = _child_environment(Settings(secret_key="generated", host="::1", port=8001))
    assert (child["INBOX_SECRET_KEY"], child["INBOX_HOST"], child["INBOX_PORT"]) == ("generated", "::1", "8001")
    assert child["INBOX_ACCESS_LOG"] == "false"


def test_a_port_in_use_is_refused_before_anything_starts(run: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("serve", "--port", str(taken.getsockname()[1]))
    assert isinstance(result.exception, SupervisorError)
    assert "Address already in use" in str(result.exception)
