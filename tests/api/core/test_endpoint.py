"""The access log, the count of requests, and requests that end early."""

import re
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest
from starlette.responses import Response

from gateway.api.core.access import Accesses
from gateway.api.core.call import PUBLIC, USER
from gateway.api.core.endpoint import LOOK_UPS, Endpoint, EndpointContext
from gateway.api.core.operation import BoundOperation
from gateway.api.core.requests import ApiRequest
from gateway.api.core.unknown import UnknownNameLog
from gateway.api.operations import OPERATIONS
from gateway.domain.guard import UserDeletedError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.domain.proxy import Proxies
from gateway.store.deletion import UserDeletion
from gateway.store.directory import Directory
from tests.api.core.calls import request_of
from tests.api.inbox import Inbox
from tests.live.node import running_node
from tests.servers import (
    ADMIN,
    API_KEY,
    API_SECRET,
    Gateway,
    RedisServer,
    user_headers,
    wait_for,
)


def test_the_access_log_is_a_setting(strict: httpx.Client, strict_gateway: Gateway) -> None:
    assert strict.get("/notifications", headers=user_headers("ada")).status_code == 200
    assert '"event": "request"' not in strict_gateway.log


async def test_requests_are_counted_by_operation_and_status_not_by_path(inbox: Inbox) -> None:
    series = 'inbox_http_requests_total{operation="POST /notifications/{id}/unread",status="404"}'

    async def counted() -> float:
        text = (await inbox.http.get("/metrics")).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(series))

    before, item = await counted(), str(uuid4())
    await inbox.request("POST", f"/notifications/{item}/unread")
    assert await counted() == before + 1
    assert item not in (await inbox.http.get("/metrics")).text


async def test_the_access_log_has_the_path_but_no_query_and_no_credentials(inbox: Inbox, gateway: Gateway) -> None:
    item = str(uuid4())
    secret = "kept-out-of-the-log"
    await inbox.request("GET", f"/notifications/{item}?user_hmac={secret}&token={secret}")
    await inbox.http.get(f"/notifications/{item}", headers={"Authorization": f"Bearer {secret}"})
    await inbox.http.get(f"/realtime/sse?api_key={secret}&user_external_id={secret}&token={secret}")
    await inbox.http.post("/notifications", headers=ADMIN, content=secret)
    line = rf'"method": "GET", "path": "/notifications/{item}", "status": (\d+), "ms": [0-9.]+'
    wait_for(lambda: re.findall(line, gateway.log) == ["404", "401"], "both lines")
    for hidden in (secret, API_SECRET, inbox.headers["X-MAGICBELL-USER-HMAC"]):
        assert hidden not in gateway.log


def test_a_client_that_disconnects_within_its_body_causes_no_logged_failure(gateway: Gateway) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in {**ADMIN, "Content-Length": "1000"}.items())
    before = len(gateway.log)
    with socket.create_connection(("127.0.0.1", gateway.port), 5) as connection:
        connection.sendall(f"POST /notifications HTTP/1.1\r\nHost: x\r\n{head}\r\n{{".encode())
    wait_for(lambda: '"status": 400' in gateway.log[before:], "the request in the access log")
    assert "request_failed" not in gateway.log[before:]


async def test_every_response_of_the_rest_api_is_json_or_empty(inbox: Inbox) -> None:
    for operation in OPERATIONS:
        path = re.sub(r"{[^}]*}", "42", operation.path)
        response = await inbox.request(operation.method, path)
        if operation.caller is not PUBLIC and response.status_code != 204:
            assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("way", [{}, {"Origin": "https://a.example"}], ids=["direct", "through ASGI"])
async def test_a_request_of_a_user_who_was_deleted_is_repeated_with_its_body_for_the_next_user_of_the_name(
    redis_server: RedisServer, tmp_path: Path, way: dict[str, str]
) -> None:
    name, body = f"eve-{uuid4()}", b'{"notification_preferences":{"categories":[]}}'
    async with running_node(redis_server, tmp_path) as node:
        assert (await node.http.get("/config", headers=user_headers(name))).status_code == 200
        project = await node.worker.projects.by_api_key(API_KEY)
        assert project is not None
        eve = await Directory(node.worker.client, time.monotonic).find(project.id, f"x:{name}")
        assert eve is not None
        await UserDeletion(node.worker.client).delete(eve)  # the worker has not received that the name is free
        response = await node.http.put("/notification_preferences", content=body, headers=user_headers(name) | way)
        assert response.status_code == 200, response.text


@pytest.mark.parametrize(("deletions", "status"), [(0, 200), (LOOK_UPS, 200), (LOOK_UPS + 1, 500)])
async def test_a_name_is_looked_up_again_several_times_but_not_for_ever(deletions: int, status: int) -> None:
    user, left, forgotten = User(ProjectId("1"), UserId("2"), "eve", None), deletions, 0

    async def respond(request: ApiRequest) -> Response:
        nonlocal left
        if left:
            left -= 1
            raise UserDeletedError(user)
        return Response()

    async def forget(deleted: User) -> None:
        nonlocal forgotten
        assert deleted is user
        forgotten += 1

    row = next(operation for operation in OPERATIONS if operation.caller is USER)
    accesses = cast(Accesses, {USER: SimpleNamespace(responder=lambda row, handler: respond)})
    context = EndpointContext(accesses, Proxies(()), forget, UnknownNameLog(), access_log=False)
    endpoint = Endpoint(BoundOperation(row, cast(Any, None)), context)
    response = await endpoint(request_of(row.method, row.path))
    assert (response.status_code, forgotten) == (status, min(deletions, LOOK_UPS))
