"""The live tail of a project's events: live, filtered, resumed, bounded, and ended with its credentials."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.store.tails import TAILS_PER_PROJECT
from tests.api.projects import Project, command, project_of
from tests.api.tokens import bearer
from tests.servers import ADMIN, API_KEY, Gateway, running_gateway, user_headers

TAIL = "/v2/events/tail"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with two workers, so that events of one reach tails of the other, and with fast heartbeats."""
    directory = tmp_path_factory.mktemp("tails") / "data"
    with running_gateway(directory, INBOX_WORKERS="2", INBOX_HEARTBEAT_SECONDS="1") as started:
        yield started


@pytest.fixture
def shop(gateway: Gateway) -> Project:
    return project_of(command(gateway, "project", "create", "shop"))


@pytest.fixture
def calls(gateway: Gateway, shop: Project) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers=shop.admin, timeout=10) as client:
        yield client


Record = dict[str, str]


def lines_of(response: httpx.Response) -> Iterator[Record]:
    """Read the records of a stream: their fields, and each comment under the name ""."""
    record: Record = {}
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if not line and record:
            yield record
            record = {}
        elif not name and line:
            yield {"": value}
        elif line:
            record[name] = value


@contextlib.contextmanager
def tail(calls: httpx.Client, query: str = "", *, comments: bool = False, **headers: str) -> Iterator[Iterator[Record]]:
    """Open a tail on a connection of its own, past its first record."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    with (
        httpx.Client(base_url=calls.base_url, headers=calls.headers, timeout=10) as own,
        own.stream("GET", f"{TAIL}?{query}", headers=fields) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        found = lines_of(response)
        assert next(found) == {"": "open"}
        assert next(found)["retry"].isdigit()
        yield found if comments else (record for record in found if "" not in record)


def issue(calls: httpx.Client, name: str = "ada") -> dict[str, Any]:
    issued: dict[str, Any] = calls.post("/v2/jwt/user", json={"external_id": name}).raise_for_status().json()
    return issued


def types(stream: Iterator[Record], count: int) -> list[str]:
    return [json.loads(next(stream)["data"])["type"] for _ in range(count)]


def test_events_arrive_as_the_list_has_them_on_every_worker(calls: httpx.Client) -> None:
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(tail(calls)) for _ in range(6)]
        issue(calls)
        arrived = [[next(stream) for _ in range(2)] for stream in streams]
        assert all(each == arrived[0] for each in arrived)
    listed = calls.get("/v2/events").json()["data"]
    assert [json.loads(record["data"]) for record in arrived[0]] == listed[::-1]
    assert [record["id"] for record in arrived[0]] == [event["id"] for event in listed[::-1]]


def test_a_filtered_tail_has_heartbeats_and_what_matches(calls: httpx.Client) -> None:
    issue(calls, "ben")
    with tail(calls, "type=jwt.issued&user=external_id:ben") as stream:
        issue(calls, "eve")
        issued = issue(calls, "ben")
        record = next(stream)
        assert json.loads(record["data"])["context"]["token_id"] == issued["token_id"]
    with tail(calls, "user=nobody", comments=True) as stream:
        issue(calls, "ben")
        assert next(stream) == {"": "heartbeat"}


def test_a_tail_that_resumes_gets_what_it_missed(calls: httpx.Client) -> None:
    for _ in range(3):
        issue(calls)
    ids = [event["id"] for event in calls.get("/v2/events").json()["data"]][::-1]
    for query, headers in ((f"since={ids[0]}", {}), ("", {"Last_Event_ID": ids[0]})):
        with tail(calls, query, **headers) as stream:
            assert [next(stream)["id"] for _ in ids[1:]] == ids[1:]
            issue(calls)
            ids.append(next(stream)["id"])


def test_a_tail_that_cannot_resume_is_told(calls: httpx.Client) -> None:
    issue(calls)
    with tail(calls, Last_Event_ID="0190163d-8694-7000-8000-000000000000") as stream:
        assert next(stream)["event"] == "reset"
        assert types(stream, 2) == ["user.created", "jwt.issued"]
    response = calls.get(TAIL, headers={"Last-Event-ID": "5"})
    assert (response.status_code, response.json()["errors"][0]["message"]) == (
        422,
        "Header 'Last-Event-ID' must be the id of an event",
    )


def test_a_tail_ends_with_its_token(calls: httpx.Client) -> None:
    issued = calls.post("/v2/jwt/project", json={"name": "tail"}).raise_for_status().json()
    with (
        httpx.Client(base_url=calls.base_url, headers=bearer(issued["token"])) as backend,
        tail(backend) as stream,
    ):
        calls.delete(f"/v2/jwt/project/{issued['token_id']}").raise_for_status()
        last = next(record for record in stream if record.get("event") == "goodbye")
        assert json.loads(last["data"]) == {"reason": "token_revoked"}
        assert list(stream) == []


def test_a_project_has_a_limited_number_of_tails(calls: httpx.Client) -> None:
    with contextlib.ExitStack() as stack:
        statuses = []
        for _ in range(2 * TAILS_PER_PROJECT + 1):  # there are two workers
            own = stack.enter_context(httpx.Client(base_url=calls.base_url, headers=calls.headers))
            statuses.append(stack.enter_context(own.stream("GET", TAIL)).status_code)
        assert 429 in statuses
        assert set(statuses) == {200, 429}


def test_a_tail_has_no_events_of_another_project(calls: httpx.Client, gateway: Gateway) -> None:
    theirs = project_of(command(gateway, "project", "create", "theirs"))
    issue(calls)
    (event, *_) = calls.get("/v2/events").json()["data"]
    (user,) = calls.get("/v2/users").json()["data"]
    with (
        httpx.Client(base_url=gateway.url, headers=theirs.admin, timeout=10) as other,
        contextlib.ExitStack() as stack,
    ):
        # Several connections, so that both workers have some; and what is named is of the other project.
        queries = ["", "", "", "", f"since={event['id']}", "type=jwt.issued"]
        streams = [stack.enter_context(tail(other, query)) for query in queries]
        of_user = stack.enter_context(tail(other, f"user={user['id']}", comments=True))
        for name in ("ada", "ben", "zoe"):
            issue(calls, name)
            calls.post("/v2/broadcasts", json={"title": "Hello", "recipients": [{"external_id": name}]})
            issue(other, name)
        last = issue(other)["token_id"]
        arrived: list[list[str]] = []
        for stream in streams:
            arrived.append([])
            for record in stream:
                if record.get("event") == "reset":
                    continue
                arrived[-1].append(record["id"])
                if last in record["data"]:
                    break
        ours, others = ({row["id"] for row in each.get("/v2/events").json()["data"]} for each in (calls, other))
        assert [set(each) for each in arrived[:5]] == [others] * 5
        assert set(arrived[5]) < others
        assert not others & ours
        assert next(of_user) == {"": "heartbeat"}


def test_no_credentials_of_a_user_open_a_tail(calls: httpx.Client, gateway: Gateway, shop: Project) -> None:
    token, key = issue(calls)["token"], {"X-MAGICBELL-API-KEY": shop.api_key}
    inbox_token = "an-inbox-token-of-ada-" * 4
    saved = calls.post("/v2/channels/in_app/inbox/tokens", headers=bearer(token), json={"token": inbox_token})
    assert saved.status_code == 201, saved.text
    project_token = calls.post("/v2/jwt/project", json={"name": "tail"}).raise_for_status().json()["token"]
    users_own = [
        bearer(token),
        bearer(token) | key,
        user_headers("ada"),
        bearer(inbox_token),
        bearer(inbox_token) | key,
    ]
    for headers in ({}, key, *users_own, bearer(project_token) | {"X-MAGICBELL-API-KEY": API_KEY}):
        for query in ("", f"?token={inbox_token}", f"?token={token}", f"?user_token={token}"):
            assert httpx.get(f"{gateway.url}{TAIL}{query}", headers=headers).status_code in (401, 403)
    with httpx.Client(base_url=gateway.url, headers=bearer(project_token)) as backend, tail(backend) as stream:
        issued = issue(calls, "ben")
        assert issued["token_id"] in [next(stream), next(stream)][1]["data"]


def test_tails_end_when_the_server_stops(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        running_gateway(tmp_path_factory.mktemp("stopping") / "data") as gateway,
        httpx.Client(base_url=gateway.url, headers=ADMIN, timeout=10) as calls,
        tail(calls) as stream,
    ):
        gateway.stop()
        last = next(record for record in stream if record.get("event") == "goodbye")
        assert json.loads(last["data"]) == {"reason": "draining"}


def test_a_tail_ends_as_soon_as_its_reader_has_left(calls: httpx.Client) -> None:
    """Tails are few, so those that readers have left must not count up to the next heartbeat."""
    for _ in range(3 * TAILS_PER_PROJECT):  # there are two workers
        with tail(calls):
            pass
