"""Requests that repeat the heads of others are judged as if each one were the first, whatever has changed in between.

Random changes of a project and its users alternate with requests. Each request is sent on a connection that is kept, on
another one, and on a new one, and an authenticator without caches judges its credentials too.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from gateway.auth.authenticator import Authenticator
from gateway.auth.credentials import header_credentials
from gateway.auth.inbox_tokens import InboxTokens
from gateway.domain.errors import ApiError
from gateway.domain.guard import Guard, TokenRevokedError, UserDeletedError
from gateway.domain.new_user_limits import NewUserLimits
from gateway.domain.principal import Project, User
from gateway.settings import Settings
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.deliveries import Delivery
from gateway.store.directory import Directory
from gateway.store.errors import NameTakenError
from gateway.store.event_log import LogRetention
from gateway.store.inbox import InboxStore
from gateway.store.library import LIBRARY
from gateway.store.project_records import ProjectChange
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from gateway.store.tokens import TokenStore
from tests.api.tokens import bearer
from tests.live.node import ENVIRONMENT, Node, running_node
from tests.servers import API_KEY, API_SECRET, running_redis, user_hmac
from tests.store.conftest import at

STEPS = 120
NAMES = ("adam", "beth", "carl")
"""As long as each other, so that heads differ in a few bytes only."""

EMAILS = ("a@example.com", "b@example.com")
KEY, SECRET, HMAC = "X-MAGICBELL-API-KEY", "X-MAGICBELL-API-SECRET", "X-MAGICBELL-USER-HMAC"
EXTERNAL_ID, EMAIL = "X-MAGICBELL-USER-EXTERNAL-ID", "X-MAGICBELL-USER-EMAIL"

Fields = Sequence[tuple[str, str]]


@dataclass
class Wire:
    """A connection that is kept."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, method: str, path: str, fields: Fields) -> tuple[int, Any]:
        """Send a request, and return the status and the body of its response."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in (("Host", "inbox"), *fields))
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
        return int(head.split()[1]), msgspec.json.decode(await self.reader.readexactly(length))


@contextlib.asynccontextmanager
async def wire(node: Node) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.gateway.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


@dataclass
class Outside:
    """Another gateway, which has no caches: it judges requests, and makes some of the changes."""

    client: FunctionClient
    items_of: set[str] = field(default_factory=set)

    @property
    def projects(self) -> ProjectStore:
        return ProjectStore(self.client, ENVIRONMENT["INBOX_SECRET_KEY"])

    @property
    def directory(self) -> Directory:
        return Directory(self.client, time.monotonic)

    async def project(self) -> Project:
        project = await self.projects.by_api_key(API_KEY)
        assert project is not None
        return project

    async def verdict(self, path: str, fields: Fields) -> tuple[int, str]:
        """Return the status of the response to a request, and the id of the user whose inbox it shows."""
        directory = self.directory
        authenticator = Authenticator(
            self.projects,
            directory,
            TokenStore(self.client),
            time.time,
            NewUserLimits(0, 0),
            InboxTokens(ChannelTokenStore(self.client), directory),
        )
        credentials = header_credentials({name.lower(): value for name, value in fields}.get)
        try:
            if path == "/broadcasts":
                await authenticator.admin(credentials)
                return 200, ""
            principal = await authenticator.user(credentials, address=lambda: "")
            guard = Guard(None, principal.token_id, principal.token_issued_at)
            await self.inboxes.use(principal.user, guard)
        except UserDeletedError as deleted:
            await directory.forget(deleted.user)
            return await self.verdict(path, fields)
        except (ApiError, TokenRevokedError) as refused:
            return getattr(refused, "status", 401), ""
        await self.mark(principal.user)
        return 200, principal.user.id

    @property
    def inboxes(self) -> InboxStore:
        return InboxStore(self.client, LogRetention(9, 9), ContentStore(self.client))

    async def mark(self, user: User) -> None:
        """Create an item in a user's inbox that names the user, unless there is one."""
        if user.id not in self.items_of:
            content = Content.encode(str(uuid4()), NotificationFields(title=user.id))
            await self.inboxes.create(content, [Delivery(user)], at(time.time()), remember=False)
            self.items_of.add(user.id)


@dataclass
class World:
    """The node under test, another gateway, and what clients know."""

    node: Node
    outside: Outside
    chance: random.Random
    secrets: list[str] = field(default_factory=lambda: [API_SECRET])
    tokens: list[str] = field(default_factory=list)

    async def change(self) -> None:
        """Change something, on the node itself or elsewhere."""
        kinds = (self.rotate, self.set_flags, self.rename, self.delete, self.issue, self.revoke)
        await self.chance.choice(kinds)()

    async def rotate(self) -> None:
        store = self.chance.choice((self.node.worker.projects, self.outside.projects))
        changes = self.node.worker.projects.cache.changes
        project = await store.rotate_secret(API_KEY, self.chance.choice((0, 600)))
        assert project is not None
        self.secrets.append(project.secrets[0])
        await self.received(lambda: self.node.worker.projects.cache.changes > changes)

    async def set_flags(self) -> None:
        store = self.chance.choice((self.node.worker.projects, self.outside.projects))
        changes = self.node.worker.projects.cache.changes
        flags = ProjectChange(hmac_enabled=self.chance.choice((True, True, False)), strict=self.chance.random() < 0.5)
        before = await self.outside.project()
        await store.update(API_KEY, flags)
        if await self.outside.project() != before:
            await self.received(lambda: self.node.worker.projects.cache.changes > changes)

    async def rename(self) -> None:
        """Move a name from one user to another."""
        user = await self.some_user()
        if user is not None:
            directory = self.chance.choice((self.node.worker._directory, self.outside.directory))
            changes = self.node.worker._directory._changes
            with contextlib.suppress(NameTakenError):
                await directory.rename(user, self.chance.choice(NAMES), self.chance.choice((None, *EMAILS)))
            await self.received(lambda: self.node.worker._directory._changes > changes)

    async def delete(self) -> None:
        user = await self.some_user()
        if user is not None:
            changes = self.node.worker._directory._changes
            await UserDeletion(self.outside.client).delete(user)
            if self.chance.random() < 0.8:  # or the gateway that deletes the user dies here
                await self.outside.directory.forget(user)
                await self.received(lambda: self.node.worker._directory._changes > changes)

    async def issue(self) -> None:
        await self.outside.projects.update(API_KEY, ProjectChange(strict=False))
        project = await self.outside.project()
        async with httpx.AsyncClient(base_url=self.node.gateway.url) as http:
            headers = {KEY: API_KEY, SECRET: project.secrets[0]}
            body = {"external_id": self.chance.choice(NAMES)}
            response = await http.post("/v2/jwt/user", headers=headers, json=body)
            assert response.status_code == 201, response.text
            self.tokens.append(response.json()["token"])

    async def revoke(self) -> None:
        project = await self.outside.project()
        headers = {KEY: API_KEY, SECRET: project.secrets[0]}
        await self.node.http.post(f"/users/external_id:{self.chance.choice(NAMES)}/revoke_tokens", headers=headers)

    async def some_user(self) -> User | None:
        project = await self.outside.project()
        return await self.outside.directory.find(project.id, f"x:{self.chance.choice(NAMES)}")

    async def received(self, has_changed: Any) -> None:
        async with asyncio.timeout(5):
            while not has_changed():
                await asyncio.sleep(0.001)

    def request(self) -> tuple[str, Fields]:
        """Return the path and the headers of a request that somebody might send."""
        pick = self.chance.choice
        fields: list[tuple[str, str]] = [(KEY, API_KEY)]
        name, email, secret = pick(NAMES), pick(EMAILS), pick((*self.secrets[-3:], "wrong"))
        if self.chance.random() < 0.2:
            return "/broadcasts", [*fields, (SECRET, secret)]
        if self.tokens and self.chance.random() < 0.2:
            return "/notifications", bearer_fields(bearer(pick(self.tokens[-3:])))
        named = [(EXTERNAL_ID, name)] if self.chance.random() < 0.6 else [(EMAIL, email)]
        if self.chance.random() < 0.2:
            named = [(EXTERNAL_ID, name), (EMAIL, email)]
        proven = pick((named[0][1], named[0][1], named[0][1], pick(NAMES)))
        match pick(("hmac", "hmac", "secret", "none")):
            case "hmac":
                fields.append((HMAC, user_hmac(proven, secret)))
            case "secret":
                fields.append((SECRET, secret))
        fields += named
        if self.chance.random() < 0.1:
            fields.append((EXTERNAL_ID, pick(NAMES)))  # twice: the last one counts
        if self.chance.random() < 0.2:
            fields.reverse()
        if self.chance.random() < 0.2:
            fields = [(name.lower(), value) for name, value in fields]
        return pick(("/notifications", "/notifications", "/broadcasts")), fields


def bearer_fields(headers: Mapping[str, str]) -> Fields:
    return list(headers.items())


def shown(status: int, body: Any) -> tuple[int, str]:
    """Return what a response shows, in the form of a verdict."""
    items = body.get("notifications", [])
    return status, "".join(item["title"] for item in items)


@pytest.mark.parametrize("seed", range(2))
async def test_each_request_is_judged_as_if_it_were_the_first(tmp_path: Path, seed: int) -> None:
    verdicts = set()
    with running_redis("valkey", tmp_path) as store:
        client = FunctionClient(Topology(Settings(redis_url=store.url)), LIBRARY)
        async with running_node(store, tmp_path) as node, wire(node) as kept, wire(node) as other:
            world = World(node, Outside(client), random.Random(seed))
            requests = [world.request() for _ in range(4)]
            for step in range(STEPS):
                if world.chance.random() < 0.3:
                    await world.change()
                if world.chance.random() < 0.3:
                    requests[world.chance.randrange(4)] = world.request()
                path, fields = world.chance.choice(requests)
                first = (await kept.send("GET", path, fields))[0] if world.chance.random() < 0.5 else None
                expected = await world.outside.verdict(path, fields)
                assert first in (None, expected[0]), (step, path, fields)
                async with wire(node) as fresh:
                    for connection in (kept, kept, other, fresh):
                        assert shown(*await connection.send("GET", path, fields)) == expected, (step, path, fields)
                verdicts.add(expected[0])
        client.close()
    assert {200, 401} <= verdicts
