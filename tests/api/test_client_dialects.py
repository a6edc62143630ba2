"""The requests that the vendor's v2 clients for Go, Java and Swift send, and responses that they can decode.

The Go client was observed: it sent them to a server that recorded them. The others are from the clients' documentation.
All have a token as the only credential.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.api import joe as his
from tests.api.joe import Joe
from tests.api.test_contract_v2 import faults_in
from tests.api.v2_contract import CONTRACT
from tests.servers import Gateway

GO = {"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip"}
JAVA = {"User-Agent": "okhttp/4.12.0", "Accept-Encoding": "gzip", "Connection": "Keep-Alive"}
SWIFT = {"User-Agent": "App/1 CFNetwork/1568 Darwin/24", "Accept": "application/json", "Accept-Language": "en"}
JSON = {"Content-Type": "application/json"}
UTF8 = {"Content-Type": "application/json; charset=utf-8"}

TOKEN = "b7d0" * 16
BROADCAST = {"overrides": {"providers": {"ios": {}}}, "recipients": [{"email": "a@b.cd"}], "title": "t"}
DELIVERY = {"channels": [{"channel": "sms", "delay": 60, "if": None}], "key": "orders/new"}
SLACK = {"webhook": {"url": "https://hooks.slack.com/services/T/B/x"}}
NOBODY = b""


@dataclass(frozen=True)
class Sent:
    """A request of a client. Braces in the path stand for the ids of Joe's objects."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int
    body: bytes = NOBODY
    query: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.headers['User-Agent'].partition('/')[0]}: {self.method} {self.path}"


def text(**fields: Any) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


PAGE = {"limit": "2"}

OF_USER = [
    Sent("GET", "/notifications", GO, 200, query=PAGE | {"status": "unread", "topic": "x"}),
    Sent("GET", "/notifications", JAVA, 200, query=PAGE | {"status": "archived", "category": "c"}),
    Sent("GET", "/notifications/{notification_id}", JAVA, 200),
    Sent("GET", "/notifications/unread/count", JAVA, 200, query={"category": "c"}),
    Sent("POST", "/notifications/{notification_id}/read", GO | {"Content-Length": "0"}, 204),
    Sent("POST", "/notifications/{notification_id}/archive", JAVA | {"Content-Length": "0"}, 204),
    Sent("POST", "/notifications/read", JAVA | {"Content-Length": "0"}, 204, query={"topic": "x"}),
    Sent(
        "POST",
        "/channels/mobile_push/apns/tokens",
        SWIFT | UTF8,
        201,
        text(app_id="com.example.app", device_token=TOKEN),
    ),
    Sent("GET", "/channels/mobile_push/apns/tokens", SWIFT, 200, query={"page[size]": "2"}),
    Sent("GET", "/channels/mobile_push/apns/tokens", GO, 200, query=PAGE),
    Sent("POST", "/channels/in_app/inbox/tokens", GO | JSON, 201, text(token=TOKEN)),
    Sent("PUT", "/channels/in_app/inbox/tokens", JAVA | JSON, 200, text(token=TOKEN, connection_id=None)),
    Sent("PUT", "/channels/mobile_push/fcm/tokens", JAVA | JSON, 200, text(device_token=TOKEN)),
    Sent(
        "POST",
        "/channels/slack/tokens",
        GO | JSON,
        201,
        text(**SLACK),
    ),
    Sent("GET", "/channels/user_preferences", JAVA, 200),
]

OF_PROJECT = [
    Sent("POST", "/broadcasts", GO | JSON, 201, text(**BROADCAST)),
    Sent("GET", "/broadcasts", GO, 200, query={"page[size]": "2"}),
    Sent("GET", "/events", GO, 200, query=PAGE),
    Sent("POST", "/users", GO | JSON, 201, text(custom_attributes={"a": 1}, external_id="go-dialect")),
    Sent("GET", "/users", GO, 200, query=PAGE | {"query": "go-dialect"}),
    Sent("PUT", "/channels/deliveryconfig", GO | JSON, 200, text(**DELIVERY)),
    Sent("GET", "/channels/deliveryconfig", GO, 200, query={"key": "orders/new"}),
    Sent("PUT", "/integrations/templates", GO | JSON | {"Content-Length": "0"}, 200),
    Sent("PUT", "/integrations/expo", GO | JSON, 200, text(access_token="an-access-token")),
    Sent("GET", "/integrations", GO, 200, query=PAGE),
    Sent("DELETE", "/integrations/expo", GO, 204),
    Sent("GET", "/notifications/{notification_id}/deliveryplan", GO, 200, query={"user": "external_id:joe-dialects"}),
]


@pytest.fixture(scope="module")
def joe(gateway: Gateway) -> Iterator[Joe]:
    with httpx.Client(base_url=gateway.url, timeout=10) as client:
        yield his.made(client, "joe-dialects")


def assert_decodable(joe: Joe, token: str, sent: Sent) -> None:
    path = f"/v2{sent.path}".replace("{notification_id}", joe.paths["id"])
    headers = {**sent.headers, "Authorization": f"Bearer {token}"}
    request = httpx.Request(
        sent.method, joe.client.base_url.join(path), params=sent.query, headers=headers, content=sent.body or None
    )
    response = joe.client.send(request)
    assert response.status_code == sent.status, response.text
    (operation,) = [each for each in CONTRACT if (each.method, each.path) == (sent.method, sent.path)]
    if operation.answer is not None:
        assert response.headers["content-type"].startswith("application/json")
        assert not list(faults_in(response.json(), operation.answer, "response")), response.text


@pytest.mark.parametrize("sent", OF_USER, ids=str)
def test_a_request_of_a_users_client_gets_a_response_that_it_decodes(joe: Joe, sent: Sent) -> None:
    assert_decodable(joe, joe.token, sent)


@pytest.mark.parametrize("sent", OF_PROJECT, ids=str)
def test_a_request_of_a_backends_client_gets_a_response_that_it_decodes(joe: Joe, sent: Sent) -> None:
    assert_decodable(joe, joe.project_token, sent)
