"""`healthcheck`."""

import socket

import pytest

from tests.cli.conftest import Command
from tests.cli.http_stub import answering


@pytest.mark.parametrize(("options", "path"), [((), "/healthz"), (("--ready",), "/readyz")])
def test_a_healthy_gateway_is_ok(
    run: Command, environment: pytest.MonkeyPatch, options: tuple[str, ...], path: str
) -> None:
    environment.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # for other hosts
    with answering(200) as (port, paths):
        environment.setenv("INBOX_PORT", str(port))
        result = run("healthcheck", *options)
    assert (result.exit_code, result.output, paths) == (0, "ok\n", [path])


def test_a_gateway_that_is_not_healthy_is_reported_with_its_response(
    run: Command, environment: pytest.MonkeyPatch
) -> None:
    with answering(503, b'{"status":"not ready"}') as (port, _):
        environment.setenv("INBOX_PORT", str(port))
        result = run("healthcheck", "--ready")
    assert (result.exit_code, result.stderr) == (
        1,
        f'http://127.0.0.1:{port}/readyz responded with 503: {{"status":"not ready"}}\n',
    )


def test_a_gateway_that_does_not_respond_is_reported_with_its_address(
    run: Command, environment: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    environment.setenv("INBOX_PORT", str(port))
    result = run("healthcheck")
    assert result.exit_code == 1
    assert result.stderr == (
        f"http://127.0.0.1:{port}/healthz does not respond: Connection refused. INBOX_HOST and INBOX_PORT must be "
        "those of the gateway\n"
    )
