"""The output of a start once the workers are ready."""

from pathlib import Path

import pytest

from gateway.cli import banner
from gateway.cli.addresses import base_address
from gateway.cli.demo import DemoKeys, environment_path, read_demo_keys, write_demo_keys
from gateway.settings import Settings
from tests.cli.conftest import Command
from tests.cli.http_stub import answering


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104 - nothing is bound
        ("::", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:80"),
        ("inbox.example", "http://inbox.example:80"),
    ],
)
def test_the_address_is_one_at_which_this_machine_reaches_the_gateway(host: str, base: str) -> None:
    assert base_address(Settings(host=host, port=80)) == base


def test_a_node_with_projects_of_its_own_names_the_commands(run: Command, environment: pytest.MonkeyPatch) -> None:
    with answering(200) as (port, paths):
        environment.setenv("INBOX_PORT", str(port))
        result = run("announce")
    assert paths == ["/readyz", "/demo"]
    assert f"The inbox gateway serves at http://127.0.0.1:{port}\n" in result.stdout
    assert "inbox-gateway project list | create NAME" in result.stdout


def test_the_public_address_is_printed(run: Command, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("INBOX_PUBLIC_URL", "https://example.com/inbox")
    with answering(200) as (port, _):
        environment.setenv("INBOX_PORT", str(port))
        assert "serves at https://example.com/inbox\n" in run("announce").stdout


@pytest.fixture
def bundled(environment: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The settings of a gateway with the bundled Valkey, whose demo project has keys."""
    environment.delenv("INBOX_REDIS_URL")
    environment.setenv("INBOX_DATA_DIR", str(tmp_path))
    settings = Settings(data_dir=tmp_path)
    write_demo_keys(settings, DemoKeys("demo_key", "demo secret"))
    return settings


def test_the_secret_is_printed_once_and_only_to_a_terminal(
    run: Command, environment: pytest.MonkeyPatch, bundled: Settings
) -> None:
    with answering(200) as (port, _):
        environment.setenv("INBOX_PORT", str(port))
        assert "demo secret" not in run("announce").stdout
        environment.setattr(banner, "_is_terminal", lambda: True)
        first, second = run("announce").stdout, run("announce").stdout
    assert f"Demo page   http://127.0.0.1:{port}/demo\n" in first
    assert "export API_SECRET='demo secret'\n" in first
    assert "The secret is not printed again" in first
    assert "demo secret" not in second
    assert str(environment_path(bundled)) in second
    assert read_demo_keys(bundled) == DemoKeys("demo_key", "demo secret", shown=True)


def test_a_gateway_that_is_not_ready_in_time_is_reported(run: Command, environment: pytest.MonkeyPatch) -> None:
    environment.setattr(banner, "READY_SECONDS", 0.2)
    environment.setattr(banner, "configure_logging", lambda level: None)
    environment.setenv("INBOX_PORT", "1")
    result = run("announce")
    assert result.stdout == ""
    assert "the gateway at http://127.0.0.1:1 is not ready yet" in result.stderr
