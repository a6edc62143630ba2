"""`explain`."""

import asyncio
import json
import time
from collections.abc import Callable

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.principal import Identity, User
from gateway.sending.plans import new_send_plan
from gateway.settings import Settings
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deliveries import Delivery
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention, Moment
from gateway.store.inbox import InboxStore
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from tests.cli.conftest import Command, error, fields
from tests.servers import RedisServer


@pytest.fixture
def project(printed: Callable[..., str]) -> dict[str, str]:
    return fields(printed("project", "create", "Shop"))


def send(server: RedisServer, external_id: str | None, email: str | None = None) -> tuple[User, str]:
    """Send a notification to a user of the first project. Return the user, and the id."""

    async def work() -> tuple[User, str]:
        client = FunctionClient(Topology(Settings(redis_url=server.url)), LIBRARY)
        try:
            user = await Directory(client, time.monotonic).resolve(ProjectId("1"), Identity(external_id, email))
            plan = new_send_plan(Moment(int(time.time() * 1000), "e0"))
            content = Content.encode(plan.id, NotificationFields(title="Secret title"))
            inboxes = InboxStore(client, LogRetention(100, 100), ContentStore(client))
            await inboxes.create_one(content, Delivery(user), plan.moment, False)
            return user, plan.id
        finally:
            client.close()

    return asyncio.run(work())


def test_the_verdict_is_printed_with_a_line_for_each_step(
    printed: Callable[..., str], project: dict[str, str], server: RedisServer
) -> None:
    user, sent = send(server, "ada")
    for name in ("ada", "external_id:ada", user.id):
        text = printed("explain", name, sent)
        assert text.startswith("Ada has it in the inbox since ")
        assert "It was stored in the inbox.\n" in text
        assert "The project has no delivery config for notifications without a category, so all of its" in text
        assert "Secret title" not in text
    assert printed("explain", "ada", sent, "--api-key", project["api key"]) == text


def test_a_user_is_found_by_the_email_address(
    printed: Callable[..., str], project: dict[str, str], server: RedisServer
) -> None:
    _, sent = send(server, None, "ada@example.com")
    for name in ("ada@example.com", "email:ada@example.com"):
        assert "It was stored in the inbox.\n" in printed("explain", name, sent)


def test_as_json_it_is_what_the_api_returns(
    printed: Callable[..., str], project: dict[str, str], server: RedisServer
) -> None:
    _, sent = send(server, "ada")
    found = json.loads(printed("explain", "ada", sent, "--json"))
    assert found["verdict"].startswith("Ada has it in the inbox since ")
    assert [step["type"] for step in found["steps"]] == ["accepted", "config", "stored"]


def test_what_is_not_known_is_an_error(run: Command, project: dict[str, str], server: RedisServer) -> None:
    _, sent = send(server, "ada")
    unknown = new_send_plan(Moment(1, "")).id
    assert "the project has no user 'eve'" in error(run("explain", "eve", sent))
    assert "nothing is known of this notification" in error(run("explain", "ada", unknown))
    assert "'x' is not the id of a notification" in error(run("explain", "ada", "x"))
    assert "no project has the key x" in error(run("explain", "ada", sent, "--api-key", "x"))


def test_one_of_several_projects_must_be_named(
    run: Command, printed: Callable[..., str], project: dict[str, str]
) -> None:
    printed("project", "create", "Other")
    assert "there are 2 projects: name one with --api-key" in error(
        run("explain", "ada", new_send_plan(Moment(1, "")).id)
    )
