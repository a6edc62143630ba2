"""Delivery configs: what is saved and refused, and their effect on inboxes, on every node."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from gateway.domain.preferences import Channel
from gateway.store.delivery_configs import CACHE_SECONDS
from tests.api.inbox import Inbox, messages
from tests.api.projects import Project, command, project_of
from tests.servers import ADMIN, Gateway, running_gateway, user_headers

PATH = "/v2/channels/deliveryconfig"
IN_APP = {"channel": "in_app", "disabled": False}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway for this module, because a default config applies to every test of the bootstrap project."""
    with running_gateway(tmp_path_factory.mktemp("configs") / "data") as started:
        yield started


@pytest.fixture
def category() -> str:
    """A category that no other test sends."""
    return f"c-{uuid4()}"


async def put(http: httpx.AsyncClient, key: str | None, *channels: Any, **more: Any) -> dict[str, Any]:
    """Save a config, and return the response."""
    body = {"key": key, "channels": list(channels), **more}
    response = await http.put(PATH, headers=ADMIN, json=body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def get(http: httpx.AsyncClient, key: str | None = None) -> Any:
    """Fetch a config."""
    return (await http.get(PATH, headers=ADMIN, params={"key": key} if key else {})).raise_for_status().json()


async def test_a_config_is_returned_as_it_was_saved(http: httpx.AsyncClient, category: str) -> None:
    email = {"channel": "email", "delay": 60, "if": "{{ notification.unseen }}", "priority": 1, "disabled": True}
    sms = {"channel": "sms", "delay": None, "if": None}
    saved = await put(http, f"{category}/x", IN_APP, email, sms)
    assert saved == {
        "key": f"{category}/x",
        "disabled": False,
        "channels": [IN_APP, email, {"channel": "sms", "disabled": False}],
    }
    assert await get(http, f"{category}/x") == saved
    assert await put(http, saved["key"], *saved["channels"], disabled=False) == saved, "a response can be sent back"


def test_the_default_is_every_channel_until_another_one_is_set_and_an_unknown_key_is_not_found(
    gateway: Gateway, category: str
) -> None:
    project = project_of(command(gateway, "project", "create", "configs"))
    with httpx.Client(base_url=gateway.url, headers=project.admin) as client:
        built_in = {
            "key": "default",
            "disabled": False,
            "channels": [{"channel": each.value, "disabled": False} for each in Channel],
        }
        assert client.get(PATH).json() == client.get(f"{PATH}?key=default").json() == built_in
        assert client.get(f"{PATH}?key={category}").status_code == 404
        body = {"channels": [{"channel": "email"}]}
        saved = client.put(PATH, json=body).json()
        assert saved == {"key": "default", "disabled": False, "channels": [{"channel": "email", "disabled": False}]}
        assert client.get(PATH).json() == saved
        assert client.put(f"{PATH}?key={category}", json=body).json()["key"] == category
        assert client.put(f"{PATH}?key={category}", json={"key": "other", **body}).status_code == 422


CHANNELS = "in_app, mobile_push, web_push, email, slack, sms, teams"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["Param 'channels' is missing"]),
        ({"key": "ab", "channels": []}, ["Param 'key' must have at least 3 characters"]),
        ({"key": "x" * 256, "channels": []}, ["Param 'key' must have at most 255 characters"]),
        ({"key": "a b", "channels": []}, ["Param 'key' must be made of letters, digits and _ . : / -"]),
        ({"channels": [{"channel": "fax"}]}, [f"Param 'channels[0].channel' must be one of {CHANNELS}"]),
        ({"channels": [{}]}, ["Param 'channels[0].channel' is missing"]),
        (
            {"channels": [{"channel": "email", "delay": -1, "priority": -1, "disabled": 0}]},
            [
                "Param 'channels[0].delay' must be from 0 to 31536000",
                "Param 'channels[0].disabled' must be true or false",
                "Param 'channels[0].priority' must be from 0 to 1000000",
            ],
        ),
        (
            {"channels": [{"channel": "in_app", "delay": 1}]},
            ["Param 'channels[0].delay' must be 0 for in_app: notifications enter the inbox at once"],
        ),
        (
            {"channels": [{"channel": "sms"}, {"channel": "sms"}]},
            ["Param 'channels[1].channel' is a channel that is listed already"],
        ),
        ({"channels": [{"channel": "sms"}] * 8}, ["Param 'channels' must have 0 to 7 items"]),
        (
            {"channels": [{"channel": "sms", "if": "{{ notification.sean }}"}]},
            [
                (
                    "Param 'channels[0].if' is not a condition: a notification has seen, unseen, read, unread, "
                    "archived, category, topic, custom_attributes.… at column 17\n"
                    "{{ notification.sean }}\n"
                    "                ^"
                )
            ],
        ),
        (
            {"channels": [{"channel": "sms", "if": "x" * 2049}]},
            ["Param 'channels[0].if' must have at most 2048 characters"],
        ),
        ({"channels": [{"channel": "sms", "when": 1}]}, ["Param 'channels[0].when' is not known"]),
    ],
)
async def test_invalid_configs_are_refused_and_nothing_is_stored(
    http: httpx.AsyncClient, body: dict[str, Any], expected: list[str]
) -> None:
    before = await get(http)
    response = await http.put(PATH, headers=ADMIN, json=body)
    assert (response.status_code, messages(response)) == (422, expected)
    assert await get(http) == before


async def test_a_user_may_not_read_or_save_configs(inbox: Inbox) -> None:
    for method in ("GET", "PUT"):
        response = await inbox.request(method, PATH, json={"channels": []} if method == "PUT" else None)
        assert response.status_code == 401


# ---- the effect on inboxes


@pytest.mark.parametrize(
    ("channels", "more", "arrives"),
    [
        ([], {"disabled": True}, False),
        ([{"channel": "in_app", "disabled": True}], {}, False),
        ([{"channel": "email"}], {}, True),
        ([{"channel": "in_app", "if": "{{ notification.custom_attributes.plan == 'pro' }}"}], {}, True),
        ([{"channel": "in_app", "if": "{{ notification.custom_attributes.plan != 'pro' }}"}], {}, False),
        ([{"channel": "in_app", "if": "{{ notification.seen }}"}], {}, False),
    ],
)
async def test_a_config_applies_to_the_next_notification_and_broadcast_and_the_sender_sees_no_difference(
    inbox: Inbox, category: str, channels: list[Any], more: dict[str, Any], arrives: bool
) -> None:
    await inbox.receive(category=category)
    await put(inbox.http, category, *channels, **more)
    fields: dict[str, Any] = {"category": category, "custom_attributes": {"plan": "pro"}}
    await inbox.receive(**fields)
    body = {"broadcast": {"title": "B", "recipients": [{"external_id": inbox.external_id}], **fields}}
    sent = (await inbox.http.post("/broadcasts", headers=ADMIN, json=body)).json()["broadcast"]
    while sent["status"]["status"] != "processed":
        sent = (await inbox.http.get(f"/broadcasts/{sent['id']}", headers=ADMIN)).json()["broadcast"]
    assert sent["status"]["summary"] == {"total": int(arrives), "failures": 0}
    assert (await inbox.page())["total"] == (3 if arrives else 1)
    await put(inbox.http, category)
    await inbox.receive(category=category)
    assert (await inbox.page())["total"] == (4 if arrives else 2)


async def test_a_suppressed_notification_creates_its_recipients_and_refuses_ambiguous_ones(
    inbox: Inbox, category: str
) -> None:
    await put(inbox.http, category, disabled=True)
    names = [f"{inbox.external_id}-{number}" for number in range(2)]
    emails = [f"{uuid4()}@example.com" for _ in names]
    both = [{"external_id": name, "email": email} for name, email in zip(names, emails, strict=True)]
    body = {"notification": {"title": "T", "category": category, "recipients": both}}
    assert (await inbox.http.post("/notifications", headers=ADMIN, json=body)).status_code == 201
    body["notification"]["recipients"] = [{"external_id": names[0], "email": emails[1]}]
    assert (await inbox.http.post("/notifications", headers=ADMIN, json=body)).status_code == 422
    assert (await inbox.http.get("/notifications", headers=user_headers(names[0]))).json()["total"] == 0


def test_a_change_applies_on_another_worker_within_a_second(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_gateway(tmp_path_factory.mktemp("two") / "data", INBOX_WORKERS="2") as gateway:
        asyncio.run(_change_often(gateway))


async def _change_often(gateway: Gateway) -> None:
    limits = httpx.Limits(max_connections=16, max_keepalive_connections=16)
    body = {"notification": {"title": "T", "category": "cat", "recipients": [{"external_id": "ada"}]}}

    async def total() -> int:
        found: int = (await http.get("/notifications", headers=user_headers("ada"))).json()["total"]
        return found

    async def send_from_every_worker() -> int:
        """Send over many connections, which the workers share, and return how many notifications arrived."""
        before = await total()
        responses = await asyncio.gather(*(http.post("/notifications", headers=ADMIN, json=body) for _ in range(16)))
        assert {response.status_code for response in responses} == {201}
        return await total() - before

    async with httpx.AsyncClient(base_url=gateway.url, limits=limits) as http:
        assert await send_from_every_worker() == 16
        for disabled in (True, False, True):
            await put(http, "cat", disabled=disabled)
            changed_at = time.monotonic()
            while await send_from_every_worker() != (0 if disabled else 16):
                assert time.monotonic() - changed_at < 0.8 * CACHE_SECONDS


async def test_configs_are_the_projects_own(gateway: Gateway, http: httpx.AsyncClient, category: str) -> None:
    other: Project = project_of(command(gateway, "project", "create", "other"))
    await put(http, category, disabled=True)
    assert (await http.get(f"{PATH}?key={category}", headers=other.admin)).status_code == 404
