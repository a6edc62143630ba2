"""`doctor`."""

import socket
import sys
from collections.abc import Callable
from importlib import import_module

import pytest
import redis

from gateway.cli.configuration import read_settings
from gateway.store import keys
from tests.cli.conftest import Command, fields

Printed = Callable[..., str]


@pytest.fixture
def durable(store: redis.Redis) -> redis.Redis:
    """A server in whose configuration the doctor finds no fault."""
    store.config_set("maxmemory", "1gb")
    store.config_set("maxmemory-policy", "noeviction")
    store.config_set("appendonly", "yes")
    return store


def test_a_store_that_cannot_be_reached_is_a_problem(run: Command, environment: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    environment.setenv("INBOX_REDIS_URL", f"redis://127.0.0.1:{port}")
    result = run("doctor")
    assert result.exit_code == 1
    assert "store      PROBLEM: the server of INBOX_REDIS_URL" in result.stdout
    assert "cannot be used: Connection refused" in result.stdout


def test_a_healthy_node_has_no_findings(run: Command, durable: redis.Redis, printed: Printed) -> None:
    printed("project", "create", "Shop")
    result = run("doctor", "--strict")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "all well"), result.stdout
    assert "secret key decrypts the secrets of every project" in result.stdout


def test_warnings_fail_only_where_they_are_to(run: Command, durable: redis.Redis, printed: Printed) -> None:
    api_key = fields(printed("project", "create", "Shop", "--no-hmac"))["api key"]
    result = run("doctor")
    assert f"hmac       WARNING: off for {api_key}: any client with the public API key" in result.stdout
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "0 problems, 1 warning")
    assert run("doctor", "--strict").exit_code == 1


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
    # The module is imported by name, because `doctor` in its package is the command.
    environment.setattr(import_module("gateway.cli.doctor"), "FEW_FILES", sys.maxsize + 1)
    result = run("doctor")
    assert "secret key WARNING: easy to guess: use 32 random characters" in result.stdout
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
