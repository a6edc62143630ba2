"""`send`."""

import asyncio
import time
from collections.abc import Callable
from importlib import import_module

import pytest
import redis

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.preferences import Channel
from gateway.domain.principal import User
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.event_log import LogRetention, Moment
from gateway.store.library import LIBRARY
from gateway.store.preferences import PreferenceStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from tests.cli.conftest import Command, error, fields
from tests.servers import RedisServer

Printed = Callable[..., str]

# The module is imported by name, because `send` in its package is the command.
_module = import_module("gateway.cli.send")


@pytest.fixture
def project(printed: Printed) -> dict[str, str]:
    return fields(printed("project", "create", "Shop"))


def test_a_notification_is_sent_and_explained_by_the_command_that_is_printed(
    printed: Printed, project: dict[str, str]
) -> None:
    text = printed("send", "--to", "ada", "--title", "Hello", "--content", "It works", "--category", "news")
    assert f"project      Shop ({project['api key']})\nuser         ada, id " in text
    assert " (new)\ninbox        stored; the user has no inbox open now" in text
    command = text.partition("inbox-gateway ")[2].split()
    assert printed(*command).startswith("Ada has it in the inbox since ")
    assert "(new)" not in printed("send", "--to", "ada", "--title", "Again")


def test_its_figures_and_events_are_those_of_any_other(
    printed: Printed, project: dict[str, str], store: redis.Redis
) -> None:
    printed("send", "--email", "ADA@example.com", "--title", "Hello")
    months = [store.hgetall(key) for key in store.scan_iter(f"{keys.PREFIX}*usage*") if store.type(key) == b"hash"]
    assert any(month.get(b"sends") == b"1" for month in months), months
    assert list(store.scan_iter(f"{keys.PREFIX}*events*"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--title", "x"), "name the user with --to, --email, or both"),
        (("--to", "ada", "--title", " "), "--title is missing"),
        (("--to", "ada", "--title", "x" * 256), "--title must have at most 255 characters"),
        (("--email", "nobody", "--title", "x"), "--email"),
        (("--to", "ada", "--title", "x", "--api-key", "none"), "no project has the key none"),
    ],
)
def test_a_wrong_option_is_named(run: Command, project: dict[str, str], options: tuple[str, ...], says: str) -> None:
    assert says in error(run("send", *options))


def test_one_of_several_projects_is_to_be_named(run: Command, printed: Printed) -> None:
    assert "there is no project: `inbox-gateway project create NAME`" in error(run("send", "--to", "a", "--title", "x"))
    first, second = (fields(printed("project", "create", name)) for name in ("Shop", "Blog"))
    refused = run("send", "--to", "ada", "--title", "x")
    assert refused.exit_code == 2
    assert "there are 2 projects: name one with --api-key: " in error(refused)
    assert all(each["api key"] in refused.stderr for each in (first, second))
    assert "Blog" in printed("send", "--to", "ada", "--title", "x", "--api-key", second["api key"])


def test_a_user_who_is_two_is_refused_before_anything_is_sent(
    run: Command, printed: Printed, project: dict[str, str]
) -> None:
    printed("send", "--to", "ada", "--title", "x")
    printed("send", "--email", "eve@example.com", "--title", "x")
    refused = run("send", "--to", "ada", "--email", "eve@example.com", "--title", "x")
    assert (refused.exit_code, "the external_id of one user and the email of another" in refused.stderr) == (1, True)


def test_waiting_ends_with_a_code_of_its_own(
    run: Command, project: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_module, "_WAIT_SECONDS", 0.1)
    waited = run("send", "--to", "ada", "--title", "x", "--wait")
    assert (waited.exit_code, "no inbox open" in waited.stdout) == (3, True)


def test_what_the_user_does_not_want_is_not_in_the_inbox(
    printed: Printed, project: dict[str, str], server: RedisServer
) -> None:
    text = printed("send", "--to", "ada", "--title", "x", "--category", "news")
    user = User(ProjectId("1"), UserId(text.partition(", id ")[2].split()[0]), "ada", None)

    async def switch_off() -> None:
        client = FunctionClient(Topology(Settings(redis_url=server.url)), LIBRARY)
        try:
            store = PreferenceStore(client, LogRetention(100, 100))
            await store.update(user, {"news": {Channel.IN_APP: False}}, None, Moment(int(time.time() * 1000), "e0"))
        finally:
            client.close()

    asyncio.run(switch_off())
    assert "inbox        not stored: " in printed("send", "--to", "ada", "--title", "x", "--category", "news")
