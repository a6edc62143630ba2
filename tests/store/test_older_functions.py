"""Two versions on one server, as during a rolling upgrade: older functions and these on the same inboxes.

`functions_4d5983d.lua.xz` has the functions of commit 4d5983d, the last one before channel tokens and `create_each`. It
is `LIBRARY.code` of that commit. A test here may send it only what the descriptors of both versions have in common.
"""

import asyncio
import lzma
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.channels import apns
from gateway.domain.notification import Filter
from gateway.domain.preferences import Channel, Preference
from gateway.domain.principal import Identity, User
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import ContentStore
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention
from gateway.store.inbox import InboxStore
from gateway.store.library import LIBRARY
from gateway.store.preferences import PreferenceStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import FunctionCall
from gateway.store.redis.library import Library
from gateway.store.redis.topology import Topology
from gateway.store.user_pages import UserPages
from tests.servers import RedisServer
from tests.store.conftest import at, new_user
from tests.store.model import Inbox
from tests.store.test_inbox_model import (
    Blocked,
    Create,
    Step,
    Way,
    assert_same_inbox,
    assert_same_log,
    filters,
    run_in_model,
    run_in_store,
    steps,
)

CODE = lzma.decompress((Path(__file__).parent / "functions_4d5983d.lua.xz").read_bytes()).decode()

RETENTION = LogRetention(1000, 1000)

UNGUARDED = ("", "", "", "")
"""The arguments of a guard that allows everything."""


def older_library() -> Library:
    """Return the older functions, by the name that they had."""
    library = Library((), "", {}, {})
    library.name, library.code = re.findall(r"^#!lua name=(\w+)", CODE)[0], CODE
    return library


def _now_replied(name: str, result: int) -> tuple[int, bytes] | bytes | None:
    """Return what today's function replies where the older one replied with a number, -1 for an unknown item."""
    if name == "change_all":
        return result, b".0"
    return None if result < 0 else b".0"


class OlderClient(FunctionClient):
    """A client with the older functions, some of which had other replies. Older gateways alone call those."""

    async def call(self, call: FunctionCall[Any]) -> Any:
        """Run one function, and return its reply in today's form."""
        reply = await super().call(call)
        if call.function.name in ("change", "change_all", "delete") and isinstance(reply[3], int):
            reply[3] = _now_replied(call.function.name, reply[3])
        return reply


class Versions:
    """Clients of one server: of this version, and with the older functions."""

    def __init__(self, url: str):
        topology = Topology(Settings(redis_url=url))
        self.new = FunctionClient(topology, LIBRARY)
        self.old = OlderClient(topology, older_library())

    async def call_old(self, function: str, key: str, *arguments: Any) -> Any:
        """Call an older function that this version does not describe."""
        await Directory(self.old, time.monotonic).user_index_size(new_user().project_id)  # loads the library if needed
        return await self.old.command("FCALL", self.old.library.qualified(function), 1, key, *arguments)

    def close(self) -> None:
        """Close the connections."""
        self.new.close()
        self.old.close()


@pytest.fixture
async def versions(redis_server: RedisServer) -> AsyncIterator[Versions]:
    versions = Versions(redis_server.url)
    yield versions
    versions.close()


@pytest.fixture
def run(redis_server: RedisServer) -> Callable[[Callable[[Versions], Awaitable[None]]], None]:
    def in_loop(work: Callable[[Versions], Awaitable[None]]) -> None:
        async def main() -> None:
            versions = Versions(redis_server.url)
            try:
                await work(versions)
            finally:
                versions.close()

        asyncio.run(main())

    return in_loop


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(steps.filter(lambda step: not isinstance(step, Blocked)), st.integers(-1, 2), st.booleans()),
        max_size=30,
    ),
    st.lists(filters, min_size=1, max_size=3),
    st.integers(1, 4),
)
def test_an_inbox_that_both_versions_change_agrees_with_the_model(
    run: Callable[[Callable[[Versions], Awaitable[None]]], None],
    sequence: Sequence[tuple[Step, int, bool]],
    wanted: Sequence[Filter],
    per_page: int,
) -> None:
    async def work(versions: Versions) -> None:
        # One cache: the steps reuse ids with other contents, which gateways never do.
        contents = ContentStore(versions.new)
        stores = [InboxStore(client, RETENTION, contents) for client in (versions.old, versions.new)]
        user, model, now = new_user(), Inbox(), 100
        for step, passed, is_new in sequence:
            if isinstance(step, Create) and not is_new:
                step = replace(step, way=Way.NAMED)
            now += passed
            found = await run_in_store(stores[is_new], user, step, now)
            assert found == run_in_model(model, step, now), (step, is_new)
        for store in stores:
            for matching in [Filter(), *wanted]:
                await assert_same_inbox(store, user, model, matching, per_page)
            await assert_same_log(store, user, model)

    run(work)


async def set_as_older_version(versions: Versions, user: User, category: str, switches: str) -> None:
    """Switch the six channels that the older version has: 1 on, 0 off, - as it is."""
    names = [b'{"slug":"%b","enabled":' % channel.value.encode() for channel in list(Channel)[:6]]
    categories = [category, switches, b'{"slug":"x","channels":']
    key = keys.user(user.project_id, user.id)
    arguments = [*(at(1).now_ms, "e0", 1000, 1000), 100, "notification_preferences/update", "", 6, *names, *categories]
    await versions.call_old("set_preferences", key, *UNGUARDED, *arguments)


async def test_older_functions_change_preferences_without_events_for_what_they_leave(versions: Versions) -> None:
    user, store = new_user(), PreferenceStore(versions.new, RETENTION)
    inbox = InboxStore(versions.new, RETENTION, ContentStore(versions.new))
    await store.update(user, {"a": {Channel.EMAIL: False}}, None, at(1))
    await set_as_older_version(versions, user, "a", "---0--")
    assert (await inbox.read_log(user, None, "e0")).end.offset == 1
    await set_as_older_version(versions, user, "a", "-----0")
    assert (await inbox.read_log(user, None, "e0")).end.offset == 2
    assert await store.read(user) == {"a": Preference(frozenset({Channel.EMAIL, Channel.SMS}))}


async def test_older_functions_keep_when_a_user_was_created(versions: Versions) -> None:
    project = new_user().project_id
    user = await Directory(versions.new, time.monotonic).resolve(project, Identity("joe"))
    (before,) = await UserPages(versions.new).summaries([user])
    older = Directory(versions.old, time.monotonic)
    await older.resolve(project, Identity("joe", "joe@example.com"))
    await older.rename(user, "joseph", "joe@example.com")
    (after,) = await UserPages(versions.new).summaries([user])
    assert before.created_at is not None
    assert after.created_at == before.created_at


async def test_a_token_of_this_version_leaves_the_devices_of_older_ones(versions: Versions) -> None:
    ada = new_user()
    bob = User(ada.project_id, new_user().id, None, None)
    store = ChannelTokenStore(versions.new)
    key = keys.user(bob.project_id, bob.id)
    holders = keys.token_holders(bob.project_id)
    for name, slot, *arguments in (
        ("claim_device", holders, "token", bob.id),
        ("put_device", key, *UNGUARDED, "token", 1, 5, b'{"token":"token","platform":"ios"}', 100),
        ("confirm_device", holders, "token", bob.id),
    ):
        await versions.call_old(name, slot, *arguments)
    await store.register(ada, apns.TOKEN, {"device_token": "token"}, 6)
    assert await versions.old.command("EXISTS", key + keys.USER_SUFFIXES["DEVICES"]) == 0
    for user, count in ((ada, 1), (bob, 0)):
        assert len((await store.page(user, apns.TOKEN, 5, None, None, live_only=True)).tokens) == count
