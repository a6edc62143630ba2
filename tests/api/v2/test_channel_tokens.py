"""Channel tokens of every kind: saved, listed, moved, discarded and used again; and what backends see of them."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from gateway.api.v2.channel_tokens import body_of
from gateway.channels.registry import TOKEN_KINDS
from gateway.channels.token_kind import TokenKind
from tests.api.inbox import messages
from tests.servers import ADMIN, Gateway, user_headers

OFFERED = [kind for kind in TOKEN_KINDS if kind.offered]

each_kind = pytest.mark.parametrize("kind", OFFERED, ids=lambda kind: kind.path)


def path_of(kind: TokenKind) -> str:
    return f"/v2/channels/{kind.path}/tokens"


def unlike(kind: TokenKind, mark: str) -> dict[str, Any]:
    """Return a token of a kind that no other test has."""

    def changed(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: changed(value) if isinstance(value, dict) else value for name, value in values.items()}

    token: dict[str, Any] = changed(kind.example)
    for path in kind.identities[0]:
        *parents, name = path.split(".")
        here: Any = token
        for parent in parents:
            here = here[parent]
        here[name] += mark
    return token


class Client:
    """A user, with a backend that looks at the user's tokens."""

    def __init__(self, http: httpx.Client):
        self.name = f"user {uuid4()}"
        self.http = http

    def call(self, method: str, path: str, body: Any = None, **more: str) -> httpx.Response:
        return self.http.request(method, path, headers=user_headers(self.name) | more, json=body)

    def saved(self, kind: TokenKind, token: Any, method: str = "PUT") -> dict[str, Any]:
        response = self.call(method, path_of(kind), token)
        assert response.status_code == {"PUT": 200, "POST": 201}[method], response.text
        found: dict[str, Any] = response.json()
        return found

    def listed(self, kind: TokenKind, query: str = "") -> list[dict[str, Any]]:
        response = self.call("GET", f"{path_of(kind)}{query}")
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["data"]
        return found

    def by_backend(self, kind: TokenKind, method: str = "GET", token_id: str = "") -> httpx.Response:
        user = quote(f"external_id:{self.name}")
        path = f"/v2/users/{user}/channels/{kind.path}/tokens" + (f"/{token_id}" if token_id else "")
        return self.http.request(method, path, headers=ADMIN)


@pytest.fixture(scope="module")
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client


@pytest.fixture
def ada(http: httpx.Client) -> Client:
    return Client(http)


@each_kind
def test_a_token_is_saved_listed_discarded_and_saved_again(ada: Client, kind: TokenKind) -> None:
    token = unlike(kind, uuid4().hex)
    saved = ada.saved(kind, token, "POST")
    shown = {name: value for name, value in saved.items() if name in token and name != kind.credential}
    assert shown == {name: value for name, value in token.items() if name != kind.credential}
    assert (saved["updated_at"], saved["discarded_at"]) == (None, None)
    again = ada.saved(kind, token, "PUT")
    assert again == saved | {"updated_at": again["updated_at"]}
    one = f"{path_of(kind)}/{saved['id']}"
    assert ada.listed(kind) == [again]
    assert ada.call("GET", one).json() == again
    assert ada.by_backend(kind).json()["data"] == [again]

    discarded = ada.call("DELETE", one)
    assert discarded.json() == {"id": saved["id"], "discarded_at": discarded.json()["discarded_at"]}
    assert ada.call("DELETE", one).json() == discarded.json()
    assert ada.listed(kind) == []
    assert ada.call("GET", one).status_code == 404
    kept = again | {"discarded_at": discarded.json()["discarded_at"]}
    assert ada.by_backend(kind).json()["data"] == [kept]
    assert ada.by_backend(kind, token_id=saved["id"]).json() == kept

    assert ada.saved(kind, token)["id"] == saved["id"]
    assert ada.by_backend(kind, "DELETE", saved["id"]).status_code == 200
    assert ada.listed(kind) == []


@each_kind
def test_a_token_moves_to_the_user_that_saves_it_and_the_events_say_so(ada: Client, kind: TokenKind) -> None:
    bob, token = Client(ada.http), unlike(kind, uuid4().hex)
    first, second = ada.saved(kind, token), bob.saved(kind, token)
    assert ada.by_backend(kind).json()["data"] == []
    assert [each["id"] for each in bob.listed(kind)] == [second["id"]]
    assert bob.call("DELETE", f"{path_of(kind)}/{second['id']}").status_code == 200
    of_kind = {"kind": kind.path}
    assert events_of(ada) == [
        ("channel_token.discarded", of_kind | {"token_id": first["id"], "reason": "moved"}),
        ("channel_token.registered", of_kind | {"token_id": first["id"]}),
    ]
    assert events_of(bob) == [
        ("channel_token.discarded", of_kind | {"token_id": second["id"], "reason": "request"}),
        ("channel_token.registered", of_kind | {"token_id": second["id"]}),
    ]


def events_of(user: Client) -> list[tuple[str, dict[str, Any]]]:
    """Return the types and contexts of the project events about a user's tokens, newest first."""
    query = {"user": f"external_id:{user.name}"}
    listed = user.http.get("/v2/events", params=query, headers=ADMIN).raise_for_status().json()["data"]
    found = []
    for event in listed:
        if event["type"].startswith("channel_token."):
            found.append((event["type"], {name: text for name, text in event["context"].items() if name != "user_id"}))
    return found


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("slack", {}, "One of oauth.installation_id, oauth.channel_id, webhook.url is missing"),
        ("slack", {"webhook": {"url": "http://hooks.slack.com/x"}}, "Param 'webhook.url' must be an https address"),
        ("slack", {"webhook": {"url": "https://127.0.0.1/x"}}, "Param 'webhook.url' must have a public address"),
        ("slack", {"oauth": {"channel_id": "C1"}}, "Param 'oauth.installation_id' is missing"),
        ("teams", {"webhook": {}}, "Param 'webhook.url' is missing"),
        ("teams", {"webhook": {"url": "https://printer.local/"}}, "Param 'webhook.url' must have a public host name"),
        ("web_push", {"endpoint": "https://localhost/", "keys": {}}, "Param 'endpoint' must have a public host name"),
        ("mobile_push/expo", {"device_token": " "}, "Param 'device_token' is missing"),
        ("mobile_push/expo", {"device_token": "x" * 1025}, "Param 'device_token' must have at most 1024 characters"),
        ("in_app/inbox", {"token": "a.b." * 20}, "Param 'token' must be printable ASCII"),
        ("in_app/inbox", {"token": "a" * 64, "colour": "red"}, "Param 'colour' is not known"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_bad_token_is_refused_by_the_name_of_its_field(
    ada: Client, method: str, path: str, body: Any, expected: str
) -> None:
    response = ada.call(method, f"/v2/channels/{path}/tokens", body)
    assert response.status_code == 422, response.text
    assert any(text.startswith(expected) for text in messages(response)), messages(response)


@each_kind
def test_the_schema_excludes_what_nothing_identifies(ada: Client, kind: TokenKind) -> None:
    schema = Draft202012Validator(body_of(kind).param.schema())
    assert schema.is_valid(kind.example)
    roots = {path.partition(".")[0] for paths in kind.identities for path in paths}
    tokens: list[dict[str, Any]] = [{}, dict.fromkeys(roots), {root: {} for root in roots}]
    for token in tokens:
        assert not schema.is_valid(token)
        assert ada.call("PUT", path_of(kind), token).status_code == 422


@pytest.mark.parametrize(
    "names", [("page[size]", "page[after]", "page[before]"), ("limit", "starting_after", "ending_before")]
)
def test_both_ways_of_paging_reach_every_token(ada: Client, names: tuple[str, str, str]) -> None:
    size, after, before = names
    kind = OFFERED[1]
    every = [ada.saved(kind, {"device_token": f"{ada.name} {number}"})["id"] for number in range(7)][::-1]
    assert [each["id"] for each in ada.listed(kind, f"?{size}=4&{after}={every[0]}")] == every[1:5]
    assert [each["id"] for each in ada.listed(kind, f"?{size}=4&{before}={every[5]}")] == every[1:5]
    found, path = [], f"{path_of(kind)}?{size}=3"
    while path:
        page = ada.call("GET", path).json()
        found += [each["id"] for each in page["data"]]
        path = page["links"]["next"]
        assert path is None or f"{quote(after)}=" in path
    assert found == every


def test_devices_of_v1_are_tokens_of_v2(ada: Client) -> None:
    for platform in ("ios", "android", "safari"):
        device = {"device_token": f"{ada.name} {platform}", "platform": platform, "app_bundle_id": "com.example"}
        assert ada.call("POST", "/push_subscriptions", {"push_subscription": device}).status_code == 201
    tokens = {kind.path: ada.listed(kind) for kind in OFFERED}
    (apns,), (fcm,) = tokens["mobile_push/apns"], tokens["mobile_push/fcm"]
    assert (apns["device_token"], apns["app_id"]) == (f"{ada.name} ios", "com.example")
    assert (fcm["device_token"], "app_id" in fcm) == (f"{ada.name} android", False)
    assert tokens["web_push"] == []
    assert ada.call("DELETE", f"/push_subscriptions/{quote(apns['device_token'])}").status_code == 204
    assert ada.listed(OFFERED[0]) == []
    (kept,) = ada.by_backend(OFFERED[0]).json()["data"]
    assert kept["discarded_at"] is not None
    assert [kind for kind, _ in events_of(ada)] == ["channel_token.discarded", *["channel_token.registered"] * 3]


def test_a_device_of_v1_that_changes_its_platform_is_one_token(ada: Client) -> None:
    device = {"device_token": ada.name, "platform": "android"}
    ada.call("POST", "/push_subscriptions", {"push_subscription": device})
    ada.call("POST", "/push_subscriptions", {"push_subscription": device | {"platform": "ios"}})
    listed = {kind.path: len(ada.listed(kind)) for kind in OFFERED}
    assert (listed["mobile_push/apns"], listed["mobile_push/fcm"]) == (1, 0)
    assert [(kind, context.get("kind")) for kind, context in events_of(ada)] == [
        ("channel_token.registered", "mobile_push/apns"),
        ("channel_token.discarded", "mobile_push/fcm"),
        ("channel_token.registered", "mobile_push/fcm"),
    ]


@each_kind
def test_what_is_not_there_is_not_found(ada: Client, kind: TokenKind) -> None:
    ada.saved(kind, unlike(kind, uuid4().hex))
    for token_id in (str(uuid4()), "none"):
        for method in ("GET", "DELETE"):
            assert ada.call(method, f"{path_of(kind)}/{token_id}").status_code == 404
            assert ada.by_backend(kind, method, token_id).status_code == 404
    assert Client(ada.http).by_backend(kind).status_code == 404
