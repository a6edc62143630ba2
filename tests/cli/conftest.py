"""The command line in this process, on a server of its own."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import redis
from click.testing import CliRunner, Result

from gateway.cli import cli
from tests.servers import RedisServer, running_redis

Command: TypeAlias = Callable[..., Result]

SECRET_KEY = "a secret key of 32 characters or more"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that only tests of commands use."""
    with running_redis("valkey", tmp_path_factory.mktemp("cli")) as started:
        yield started


@pytest.fixture
def store(server: RedisServer) -> Iterator[redis.Redis]:
    """A client of that server, whose data is removed first."""
    with redis.Redis.from_url(server.url) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def environment(
    server: RedisServer, store: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """The environment of a node on that server."""
    monkeypatch.setenv("INBOX_REDIS_URL", server.url)
    monkeypatch.setenv("INBOX_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("INBOX_DATA_DIR", str(tmp_path / "data"))
    return monkeypatch


@pytest.fixture
def run(environment: pytest.MonkeyPatch) -> Command:
    """Run a command, and return its exit code and output."""

    def command(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(cli, arguments, input=text)

    return command


@pytest.fixture
def printed(run: Command) -> Callable[..., str]:
    """Run a command that must succeed, and return what it printed."""

    def command(*arguments: str, text: str | None = None) -> str:
        result = run(*arguments, text=text)
        assert (result.exit_code, result.exception, result.stderr) == (0, None, ""), result.output
        return result.stdout

    return command


def fields(text: str) -> dict[str, str]:
    """Return the `name   value` lines of one project or workspace."""
    return dict(re.split(r"\s{2,}", line, maxsplit=1) for line in text.strip().splitlines())


def error(result: Result) -> str:
    """Return the error of a command that was refused, which is its last line."""
    assert result.exit_code != 0
    assert result.stdout == ""
    return result.stderr.splitlines()[-1]
