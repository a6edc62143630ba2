"""A gateway of this build serves the data of the older commit: from a recording, and written by that commit itself."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import redis

from tests.golden.data import SECRET_KEY, load
from tests.golden.old_commit import export, has_history, imports_of, read_recorded, record
from tests.golden.reading import read_responses
from tests.golden.test_golden import change_everything, delete_projects, lacking, left_behind
from tests.servers import (
    ADMIN,
    Gateway,
    RedisServer,
    running_gateway,
    running_redis,
    user_headers,
    wait_for,
)

WITHOUT_HISTORY = "the history of this checkout does not reach back to that commit"


class Upgraded(NamedTuple):
    """A gateway of this build on the data of the older commit, and the responses of that commit."""

    server: RedisServer
    gateway: Gateway
    document: dict[str, Any]


@pytest.fixture(scope="module", params=["recorded", "live"])
def upgraded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """Start this build on the store of the older one. For "live", the older function library is still loaded there."""
    if request.param == "live" and not has_history():
        pytest.skip(WITHOUT_HISTORY)
    directory: Path = tmp_path_factory.mktemp("upgraded")
    with running_redis("valkey", directory) as server:
        if request.param == "live":
            document = record(server, directory)
        else:
            document = read_recorded()
            with redis.Redis(port=server.port) as admin:
                load(admin, document["entries"])
        environment = {"INBOX_REDIS_URL": server.url, "INBOX_SECRET_KEY": SECRET_KEY}
        with running_gateway(directory / "data", **environment) as gateway:
            yield Upgraded(server, gateway, document)


@pytest.fixture
def http(upgraded: Upgraded) -> Iterator[httpx.Client]:
    """Yield a client of that gateway."""
    with httpx.Client(base_url=upgraded.gateway.url, timeout=30) as client:
        yield client


def complete_jobs(upgraded: Upgraded, http: httpx.Client) -> None:
    """Wait until the unfinished jobs are done."""
    for kind in ("import", "broadcast"):
        path = f"/{kind}s/{upgraded.document[f'unfinished_{kind}']}"
        wait_for(lambda path=path: '"processed"' in http.get(path, headers=ADMIN).text, f"{path} to be done", 30)  # type: ignore[misc]


def test_an_open_inbox_resumes_from_an_old_position_with_the_same_events(
    upgraded: Upgraded, http: httpx.Client
) -> None:
    for position, response in upgraded.document["positions"].items():
        found = http.get("/realtime/events", params={"since": position}, headers=user_headers("ada")).json()
        assert lacking(response, found, position) == []


def test_reads_return_what_the_older_commit_returned(upgraded: Upgraded, http: httpx.Client) -> None:
    assert lacking(upgraded.document["answers"], read_responses(http, upgraded.document["jobs"])) == []


def test_a_repeated_request_gets_the_response_of_the_older_commit(upgraded: Upgraded, http: httpx.Client) -> None:
    first = upgraded.document["replayed"]
    response = http.post("/notifications", headers={**ADMIN, "Idempotency-Key": first["key"]}, content=first["body"])
    assert (response.status_code, response.text) == (201, first["answer"])


def test_unfinished_jobs_are_completed(upgraded: Upgraded, http: httpx.Client) -> None:
    complete_jobs(upgraded, http)
    summary = http.get(f"/imports/{upgraded.document['unfinished_import']}", headers=ADMIN).json()["import"]["summary"]
    assert summary == {"total": 2, "failures": 0, "created": 2, "updated": 0}
    broadcast = upgraded.document["unfinished_broadcast"]
    status = http.get(f"/broadcasts/{broadcast}", headers=ADMIN).json()["broadcast"]["status"]
    assert (status["summary"], status["errors"]) == ({"total": 1, "failures": 0}, [])
    shown = http.get(f"/notifications/{broadcast}", headers=user_headers("imported-0"))
    assert shown.json()["notification"]["title"] == "To all, later"


def test_tokens_are_accepted_and_refused_as_before(upgraded: Upgraded, http: httpx.Client) -> None:
    if time.time() < upgraded.document["recorded_at"]:
        pytest.skip("the clock is behind the recording, so its tokens are not valid yet")
    status = {
        name: http.get("/notifications", headers={"Authorization": f"Bearer {token}"}).status_code
        for name, token in upgraded.document["tokens"].items()
    }
    assert status == {"valid": 200, "discarded": 401}


def test_the_key_and_secret_of_another_workspaces_project_are_accepted(http: httpx.Client) -> None:
    headers = {"X-MAGICBELL-API-KEY": "another-api-key", "X-MAGICBELL-API-SECRET": "another-api-secret"}
    assert http.get("/v2/jwt/project", headers=headers).json()["data"] == []
    assert http.get("/v2/jwt/project", headers={**headers, "X-MAGICBELL-API-SECRET": "wrong"}).status_code == 401


def test_everything_can_be_changed_and_deleted_and_no_key_is_left(upgraded: Upgraded, http: httpx.Client) -> None:
    complete_jobs(upgraded, http)
    change_everything(http)
    for user in ("ada", "cat", "imported-1"):
        assert http.delete(f"/users/external_id:{user}", headers=ADMIN).is_success
    asyncio.run(delete_projects(upgraded.server.url))
    with redis.Redis(port=upgraded.server.port) as admin:
        with contextlib.suppress(AssertionError):
            wait_for(lambda: not left_behind(admin), "everything to be gone", 10)
        assert left_behind(admin) == []


def test_a_data_directory_of_the_older_commit_can_be_used(tmp_path: Path) -> None:
    if not has_history():
        pytest.skip(WITHOUT_HISTORY)
    notification = {"title": "From the older commit", "recipients": [{"external_id": "ada"}]}
    data = tmp_path / "data"
    older = Gateway(data, imports_of(export(tmp_path)), knows_delivery=False)
    try:
        older.start()
        sent = httpx.post(f"{older.url}/notifications", headers=ADMIN, json={"notification": notification})
        assert sent.status_code == 201, sent.text
        older.stop()
    finally:
        older.end()
    with running_gateway(data) as gateway:
        listed = httpx.get(f"{gateway.url}/notifications", headers=user_headers("ada")).json()
    assert [item["title"] for item in listed["notifications"]] == ["From the older commit"]
    assert (listed["total"], listed["unread_count"]) == (1, 1)
