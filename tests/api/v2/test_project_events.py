"""The log of a project's events over REST: pages, filters, what is written, and who can read it."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from gateway.domain.times import rfc3339_ms
from tests.api.projects import API_KEY_HEADER, Project, command, project_of
from tests.api.tokens import bearer
from tests.servers import ADMIN, Gateway, user_headers, wait_for

EVENTS = "/v2/events"


@pytest.fixture(scope="module")
def shop(gateway: Gateway) -> Project:
    """A project whose events are those of this module."""
    return project_of(command(gateway, "project", "create", "shop"))


@pytest.fixture(scope="module")
def calls(gateway: Gateway, shop: Project) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers=shop.admin, timeout=10) as client:
        yield client


def listed(calls: httpx.Client, query: str = "") -> list[dict[str, Any]]:
    """Follow the pages of a list."""
    found: list[dict[str, Any]] = []
    address: str | None = f"{EVENTS}?{query}"
    while address:
        page = calls.get(address).raise_for_status().json()
        found += page["data"]
        address = page["links"]["next"]
    return found


def test_what_is_done_with_a_user_is_in_the_log(calls: httpx.Client) -> None:
    user = calls.post("/users", json={"user": {"external_id": "ada"}}).raise_for_status().json()["user"]["id"]
    issued = calls.post("/v2/jwt/user", json={"external_id": "ada"}).raise_for_status().json()
    calls.delete(f"/v2/jwt/user/{issued['token_id']}").raise_for_status()
    revoked = calls.post(f"/users/{user}/revoke_tokens", json={}).raise_for_status().json()
    wait_for(lambda: len(listed(calls, f"user={user}")) == 4, "the events are written")
    assert listed(calls, "user=external_id:ada") == listed(calls, f"user={user}")
    calls.delete(f"/users/{user}").raise_for_status()
    events = listed(calls, f"user={user}")  # the id of a deleted user still finds the events
    token = {"token_id": issued["token_id"], "scope": "user", "user_id": user}
    assert [(event["type"], event["context"]) for event in reversed(events)] == [
        ("user.created", {"user_id": user}),
        ("jwt.issued", token),
        ("jwt.revoked", token),
        ("jwt.revoked_before", {**revoked, "user_id": user}),
        ("user.deleted", {"user_id": user}),
    ]
    for event in events:
        assert event.keys() == {"id", "timestamp", "type", "level", "code", "log", "context"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"])
        assert calls.get(f"{EVENTS}/{event['id']}").json() == event


def test_what_is_done_with_the_project_is_in_the_log(calls: httpx.Client) -> None:
    key = {"kty": "EC", "crv": "P-256", "kid": "one", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"}
    key["y"] = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
    calls.put("/v2/jwt/keys", json={"keys": [key]}).raise_for_status()
    calls.put("/v2/jwt/keys", json={"keys": []}).raise_for_status()
    issued = calls.post("/v2/jwt/project", json={"name": "a secret name"}).raise_for_status().json()
    imported = calls.post("/imports", json={"import": {"users": [{"external_id": "ben"}, {"external_id": 1}]}}).json()
    sent = {"title": "hidden", "recipients": [{"external_id": "ben"}]}
    broadcast = calls.post("/broadcasts", json={"broadcast": sent}).raise_for_status().json()["broadcast"]["id"]
    wait_for(lambda: listed(calls, "type=import.done"), "the import is done")
    done = {"broadcast_id": broadcast, "status": "processed", "total": 1, "failures": 0}
    wait_for(lambda: done in [event["context"] for event in listed(calls, "type=broadcast.changed")], "it is sent")
    contexts = {event["type"]: event["context"] for event in reversed(listed(calls))}
    assert contexts["key.registered"] == contexts["key.removed"] == {"key_id": "one"}
    assert contexts["jwt.issued"] == {"token_id": issued["token_id"], "scope": "project"}
    assert contexts["import.done"] == {"import_id": imported["import"]["id"], "total": 2, "failures": 1}
    assert {"broadcast_id": broadcast, "count": 1} in [
        event["context"] for event in listed(calls, "type=notification.stored")
    ]
    assert not re.search("secret name|hidden", str(listed(calls)))


@pytest.mark.parametrize("names", ["page[size] page[after] page[before]", "limit starting_after ending_before"])
def test_pages_lead_down_and_back_up_again(calls: httpx.Client, names: str) -> None:
    for _ in range(5):
        calls.post("/v2/jwt/project", json={"name": "n"}).raise_for_status()
    size, after, before = names.split()
    everything = [event["id"] for event in listed(calls, "type=jwt.issued&limit=100")]
    assert everything == sorted(everything, reverse=True)
    first = calls.get(EVENTS, params={"type": "jwt.issued", size: 2}).json()
    assert (first["links"]["prev"], len(first["data"])) == (None, 2)
    second = calls.get(first["links"]["next"]).json()
    assert [event["id"] for event in first["data"] + second["data"]] == everything[:4]
    assert [event["id"] for event in calls.get(second["links"]["prev"]).json()["data"]] == everything[:2]
    assert (
        calls.get(EVENTS, params={"type": "jwt.issued", size: 2, before: everything[1]}).json()["data"]
        == (first["data"][:1])
    )
    last = calls.get(EVENTS, params={"type": "jwt.issued", after: everything[-2]}).json()
    assert ([event["id"] for event in last["data"]], last["links"]["next"]) == (everything[-1:], None)


def test_levels_and_types_are_filters(calls: httpx.Client) -> None:
    assert listed(calls, "user=external_id:nobody") == listed(calls, f"user={uuid4()}") == []
    assert listed(calls, "level=warning") == []
    assert {event["level"] for event in listed(calls, "level=info")} == {"info"}
    assert listed(calls, "type=webhook.refused") == listed(calls, "type=jwt.issued&level=warning") == []


@pytest.mark.parametrize(
    ("query", "status"),
    [("type=nothing", 422), ("level=loud", 422), ("page[after]=1", 422), ("other=1", 422)],
)
def test_a_filter_that_makes_no_sense_is_refused(calls: httpx.Client, query: str, status: int) -> None:
    response = calls.get(f"{EVENTS}?{query}")
    assert response.status_code == status
    assert response.json()["errors"][0]["message"]


def test_no_event_has_an_id_that_was_made_up(calls: httpx.Client) -> None:
    event = listed(calls)[0]["id"]
    for other in ("1", str(uuid4()), event[:-1] + ("0" if event[-1] != "0" else "1"), f"1{event[1:]}"):
        assert calls.get(f"{EVENTS}/{other}").status_code == 404


def test_another_project_and_users_see_none_of_it(calls: httpx.Client, gateway: Gateway, shop: Project) -> None:
    event = listed(calls, "type=jwt.issued")[0]
    token = calls.post("/v2/jwt/user", json={"external_id": "eve"}).json()["token"]
    with httpx.Client(base_url=gateway.url) as other:
        assert other.get(f"{EVENTS}/{event['id']}", headers=ADMIN).status_code == 404
        found = other.get(f"{EVENTS}?limit=100", headers=ADMIN).raise_for_status().json()["data"]
        assert event["id"] not in [each["id"] for each in found]
        for path in (EVENTS, f"{EVENTS}/{event['id']}"):
            for headers in ({}, bearer(token), user_headers("eve"), {API_KEY_HEADER: shop.api_key}):
                assert other.get(path, headers=headers).status_code in (401, 403)


def test_a_timestamp_has_milliseconds() -> None:
    assert rfc3339_ms(1_800_000_000_007) == "2027-01-15T08:00:00.007Z"
