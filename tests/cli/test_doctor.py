"""`doctor`."""

import json
import re
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import redis

from gateway.cli.configuration import read_settings
from gateway.domain.finding import advice
from gateway.settings import Settings
from gateway.store import keys
from tests.cli.conftest import Command, fields

Printed = Callable[..., str]

# The module is imported by name, because `doctor` in its package is the command.
_module = import_module("gateway.cli.doctor")
is_production, Report, PAGE = _module.is_production, _module.Report, _module.PAGE


@pytest.fixture
def durable(store: redis.Redis) -> redis.Redis:
    """A server in whose configuration the doctor finds no fault."""
    store.config_set("maxmemory", "1gb")
    store.config_set("maxmemory-policy", "noeviction")
    store.config_set("appendonly", "yes")
    store.config_set("appendfsync", "everysec")
    return store


@pytest.fixture
def production(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a node in production, in whose settings the doctor finds no fault."""
    environment.setenv("INBOX_PUBLIC_URL", "https://inbox.example.com")
    environment.setenv("INBOX_ALLOWED_ORIGINS", "https://app.example.com")
    environment.setenv("INBOX_ADMIN_PORT", "8001")
    return environment


def test_a_store_that_cannot_be_reached_is_a_problem(run: Command, environment: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    environment.setenv("INBOX_REDIS_URL", f"redis://127.0.0.1:{port}")
    result = run("doctor")
    assert result.exit_code == 2
    assert "store      PROBLEM: the server of INBOX_REDIS_URL" in result.stdout
    assert "cannot be used: Connection refused" in result.stdout


def test_a_healthy_node_has_no_findings(
    run: Command, durable: redis.Redis, printed: Printed, production: pytest.MonkeyPatch
) -> None:
    printed("project", "create", "Shop")
    result = run("doctor", "--strict", "--offline")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "all well"), result.stdout
    assert "secret key decrypts the secrets of every project" in result.stdout


def test_warnings_fail_only_where_they_are_to(
    run: Command, durable: redis.Redis, printed: Printed, production: pytest.MonkeyPatch
) -> None:
    api_key = fields(printed("project", "create", "Shop", "--no-hmac"))["api key"]
    result = run("doctor", "--offline")
    assert f"hmac       WARNING: off for {api_key}: any client with the public API key" in result.stdout
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "0 problems, 1 warning")
    assert run("doctor", "--strict", "--offline").exit_code == 1


def test_what_the_secret_key_cannot_decrypt_is_a_problem(
    run: Command, environment: pytest.MonkeyPatch, durable: redis.Redis, printed: Printed
) -> None:
    api_key = fields(printed("project", "create", "Shop"))["api key"]
    durable.hset(keys.PROJECTS, "garbage-key", "{")
    environment.setenv("INBOX_SECRET_KEY", "another secret key of 32 characters")
    result = run("doctor")
    assert result.exit_code == 1
    assert (
        f"secret key PROBLEM: another key encrypted the API secrets of {api_key}: requests with them are refused"
        in result.stdout
    )
    assert "projects   PROBLEM: garbage-key: the stored record is not a project" in result.stdout


def test_a_weak_secret_key_and_few_open_files_are_warnings(
    run: Command, environment: pytest.MonkeyPatch, durable: redis.Redis
) -> None:
    environment.setenv("INBOX_SECRET_KEY", "aaaa")
    environment.setattr(import_module("gateway.cli.machine_findings"), "FEW_FILES", sys.maxsize + 1)
    result = run("doctor")
    assert "secret key WARNING: easy to guess\n           → use 32 random characters" in result.stdout
    assert "open files WARNING: " in result.stdout


def test_no_secret_key_is_generated(run: Command, environment: pytest.MonkeyPatch, durable: redis.Redis) -> None:
    environment.delenv("INBOX_SECRET_KEY")
    result = run("doctor")
    assert "secret key WARNING: INBOX_SECRET_KEY is not set" in result.stdout
    assert not list(read_settings().data_dir.glob("*"))


def test_a_bootstrap_project_that_differs_is_a_warning(
    run: Command, environment: pytest.MonkeyPatch, durable: redis.Redis, printed: Printed
) -> None:
    api_key = fields(printed("project", "create", "Shop"))["api key"]
    environment.setenv("INBOX_BOOTSTRAP_API_KEY", api_key)
    environment.setenv("INBOX_BOOTSTRAP_API_SECRET", "another-API-secret")
    assert "bootstrap  WARNING: INBOX_BOOTSTRAP_API_SECRET is not its API secret" in run("doctor").stdout


def test_invalid_settings_are_findings_after_which_nothing_else_can_be_checked(
    run: Command, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("INBOX_PRT", "8000")
    result = run("doctor", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["summary"]["exit_code"]) == (2, 2)
    assert [each["text"] for each in found["findings"]] == ["INBOX_PRT is not a setting; did you mean INBOX_PORT?"]


def test_the_object_has_what_a_monitor_needs(
    run: Command, durable: redis.Redis, production: pytest.MonkeyPatch
) -> None:
    durable.config_set("appendonly", "no")
    result = run("doctor", "--json", "--offline")
    found = json.loads(result.stdout)
    assert found.keys() == {"version", "production", "findings", "summary"}
    assert found["summary"] == {"problems": 1, "warnings": 0, "advice": 0, "exit_code": 1}
    (problem,) = [each for each in found["findings"] if each["severity"] == "problem"]
    assert problem["doc"] == "docs/production/doctor.md#durability"
    assert "CONFIG SET appendonly yes" in problem["advice"]


def test_a_trial_on_ones_own_machine_is_advised_and_not_warned() -> None:
    assert not is_production(Settings())
    assert not is_production(Settings(host="localhost"))
    assert is_production(Settings(host="0.0.0.0"))  # noqa: S104
    assert is_production(Settings(host="inbox.internal"))
    assert is_production(Settings(redis_url="redis://localhost"))
    report = Report(is_production=False, as_json=False)
    report.add(advice("demo", "it is on", "turn it off"))
    with pytest.raises(SystemExit) as ended:
        report.end(0, strict=True)
    assert ended.value.code == 0


def test_every_topic_has_a_section_on_its_page() -> None:
    """A link of a finding leads to a heading, of which Markdown makes the same anchor."""
    sources = [*Path("gateway/cli").glob("*_findings.py"), Path("gateway/store/redis/diagnosis.py")]
    text = "".join(path.read_text() for path in sources)
    topics = set(re.findall(r'(?:Finding|advice|warning|problem)\)?\(\s*"([a-z ]+)",', text)) | {"deliveries"}
    assert {"memory", "durability", "public url", "secret key"} <= topics
    headings = set(re.findall(r"^### (.*)$", Path(PAGE).read_text(), re.MULTILINE))
    assert {each.capitalize() for each in topics} <= headings
