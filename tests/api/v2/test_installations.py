"""Installations of users: saved with encrypted secrets, used by `GET /config`, and made with Slack and browsers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import httpx
import jwt
import pytest
import redis

from gateway.channels import inbox, slack, templates, web_push
from gateway.channels.key_params import decoded_base64url, public_point
from gateway.channels.secret_param import REDACTED
from tests.api.inbox import code, messages
from tests.api.tokens import bearer, issue
from tests.api.v2.test_integrations import everything
from tests.servers import ADMIN, Gateway, running_gateway, user_headers

PATH = "/v2/integrations"


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client


@pytest.fixture
def ada() -> dict[str, str]:
    """The credentials of a new user."""
    return user_headers(f"ada-{uuid4()}")


def put(client: httpx.Client, kind: str, config: Any) -> None:
    assert client.put(f"{PATH}/{kind}", headers=ADMIN, json=config).status_code == 200


LOOK = {name: part for name, part in inbox.INTEGRATION.example.items() if name != "brand"}
"""What widgets get of the example: its brand is for emails."""


def look(client: httpx.Client, user: dict[str, str]) -> dict[str, Any]:
    """Return the look of the user's inbox in the configuration of widgets."""
    found: dict[str, Any] = client.get("/config", headers=user).json()["inbox"]
    assert found.pop("features") == {}
    return found


# ---- inbox


def test_widgets_get_the_look_of_the_project_at_once_and_the_users_own_before_it(
    client: httpx.Client, ada: dict[str, str]
) -> None:
    client.delete(f"{PATH}/inbox", headers=ADMIN)
    assert look(client, ada) == {}  # as in v1
    put(client, "inbox", inbox.INTEGRATION.example)
    assert look(client, ada) == LOOK
    own = {"images": None, "locale": "de", "theme": None}
    for method, status in (("POST", 201), ("PUT", 200)):
        saved = client.request(method, f"{PATH}/inbox/installations", headers=ada, json=own)
        assert (saved.status_code, saved.json()) == (status, own)
    assert look(client, ada) == {**LOOK, "locale": "de"}
    started = client.post(f"{PATH}/inbox/installations/start", headers=ada)
    assert (started.status_code, started.json()) == (201, {**LOOK, "locale": "de"})
    assert look(client, user_headers("ben")) == LOOK
    client.delete(f"{PATH}/inbox", headers=ADMIN)
    assert look(client, ada) == {"locale": "de"}
    assert client.post(f"{PATH}/inbox/installations/start", headers=user_headers("ben")).json() == {
        "images": None,
        "locale": None,
        "theme": None,
    }


def test_a_look_that_is_not_valid_is_refused_by_field(client: httpx.Client, ada: dict[str, str]) -> None:
    body = {"locale": "d", "theme": {"header": {}, "colour": 1}}
    response = client.post(f"{PATH}/inbox/installations", headers=ada, json=body)
    assert response.status_code == 422
    assert "Param 'theme.colour' is not known" in messages(response)
    assert "Param 'locale' must have at least 2 characters" in messages(response)
    assert look(client, ada) == {}


# ---- templates


def test_a_template_is_saved_for_each_channel_and_category(client: httpx.Client, ada: dict[str, str]) -> None:
    for template in (templates.INSTALLATION.example, {"channel": "sms", "text": "x"}):
        saved = client.post(f"{PATH}/templates/installations", headers=ada, json=template)
        assert (saved.status_code, saved.json()) == (201, {"category": None, **template})
    refused = client.put(f"{PATH}/templates/installations", headers=ada, json={"channel": "fax", "text": ""})
    assert [message[:15] for message in messages(refused)] == ["Param 'channel'", "Param 'text' is"]


def test_a_repeated_request_is_answered_once_for_each_user(client: httpx.Client, ada: dict[str, str]) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first = client.post(f"{PATH}/templates/installations", headers=ada | key, json={"channel": "sms", "text": "x"})
    again = client.post(f"{PATH}/templates/installations", headers=ada | key, json={"channel": "sms", "text": "x"})
    other = client.post(f"{PATH}/templates/installations", headers=ada | key, json={"channel": "sms", "text": "y"})
    assert (first.content, again.status_code, again.content) == (again.content, 201, first.content)
    assert (other.status_code, code(other)) == (422, "idempotency_key_reused")
    another = client.post(
        f"{PATH}/templates/installations", headers=user_headers("ben") | key, json={"channel": "sms", "text": "y"}
    )
    assert another.status_code == 201


# ---- web push


def test_a_key_pair_is_made_when_there_is_none_and_stays(client: httpx.Client, ada: dict[str, str]) -> None:
    client.delete(f"{PATH}/web_push", headers=ADMIN)
    first, second = (client.post(f"{PATH}/web_push/installations/start", headers=ada).json() for _ in range(2))
    assert first["public_key"] == second["public_key"]
    (entry,) = client.get(f"{PATH}/web_push", headers=ADMIN).json()["data"]
    assert entry["config"] == {"public_key": first["public_key"], "private_key": REDACTED}
    put(client, "web_push", web_push.INTEGRATION.example)
    third = client.post(f"{PATH}/web_push/installations/start", headers=ada).json()
    assert third["public_key"] == web_push.INTEGRATION.example["public_key"]


def test_a_made_key_pair_belongs_together() -> None:
    pair = web_push.new_key_pair()
    problems: list[str] = []
    web_push.INTEGRATION.complete(web_push.INTEGRATION.config.read(pair, "", problems), None, problems)
    assert problems == []
    assert public_point(decoded_base64url(pair["private_key"]) or b"") == decoded_base64url(pair["public_key"])
    assert web_push.new_key_pair() != pair


def test_the_auth_token_saves_the_subscription_of_a_browser_and_nothing_else(
    client: httpx.Client, ada: dict[str, str]
) -> None:
    auth = bearer(client.post(f"{PATH}/web_push/installations/start", headers=ada).json()["auth_token"])
    subscription = {**web_push.TOKEN.example, "endpoint": f"https://push.example.com/{uuid4()}"}
    for method, status in (("POST", 201), ("PUT", 200)):
        saved = client.request(method, f"{PATH}/web_push/installations", headers=auth, json=subscription)
        assert saved.status_code == status, saved.text
        assert saved.json().items() >= subscription.items()
    (listed,) = client.get("/v2/channels/web_push/tokens", headers=ada).json()["data"]
    assert listed["id"] == saved.json()["id"]
    for method, path in (
        ("GET", "/config"),
        ("GET", "/v2/channels/web_push/tokens"),
        ("POST", f"{PATH}/web_push/installations/start"),
        ("GET", "/realtime/events"),
        ("GET", "/realtime/sse"),
    ):
        assert client.request(method, path, headers=auth).status_code == 403, path
    assert client.get("/v2/integrations", headers=auth).status_code in (401, 403)


def test_the_auth_token_is_valid_for_ten_minutes_and_ends_with_the_other_tokens_of_the_user(
    client: httpx.Client, ada: dict[str, str]
) -> None:
    started = client.post(f"{PATH}/web_push/installations/start", headers=ada).json()["auth_token"]
    claims = jwt.decode(started, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 600
    revoked = client.post(f"/users/{claims['inbox_user']}/revoke_tokens", headers=ADMIN, json={})
    assert revoked.status_code == 200
    body = {**web_push.TOKEN.example}
    refused = client.post(f"{PATH}/web_push/installations", headers=bearer(started), json=body)
    assert (refused.status_code, code(refused)) == (401, "token_revoked")


# ---- Slack

OAUTH = json.loads(Path(__file__).with_name("slack_oauth.json").read_text())["paths"]["/oauth.v2.access"]["get"]
PARAMETERS = {each["name"]: each for each in OAUTH["parameters"]}
ACCEPTED = OAUTH["responses"]["200"]["examples"]["application/json"]
REFUSED = OAUTH["responses"]["default"]["examples"]["application/json"]
CONFIG = slack.INTEGRATION.example
SECRETS = (ACCEPTED["access_token"], ACCEPTED["authed_user"]["access_token"])
SHOWN = {
    **{name: value for name, value in ACCEPTED.items() if name != "ok"},
    "access_token": REDACTED,
    "authed_user": {**ACCEPTED["authed_user"], "access_token": REDACTED},
    "id": "T9TK3CUKW-A0KRD7HC3",
}


def test_an_installation_is_saved_with_its_secrets_encrypted_and_redacted(
    gateway: Gateway, client: httpx.Client, ada: dict[str, str]
) -> None:
    body = {name: value for name, value in ACCEPTED.items() if name != "ok"}
    saved = client.post(f"{PATH}/slack/installations", headers=ada, json=body)
    assert (saved.status_code, saved.json()) == (201, SHOWN)
    again = client.put(f"{PATH}/slack/installations", headers=ada, json=saved.json())
    assert (again.status_code, again.json()) == (200, SHOWN)
    other = client.put(f"{PATH}/slack/installations", headers=user_headers("ben"), json=saved.json())
    assert "Param 'access_token' is redacted, and there is no saved value to keep" in messages(other)
    webhook = {"channel": "c", "configuration_url": "https://x.slack.com", "url": "https://10.0.0.1/"}
    refused = client.post(f"{PATH}/slack/installations", headers=ada, json={**body, "incoming_webhook": webhook})
    assert messages(refused) == [
        "Param 'incoming_webhook.url' must have a public address, or one in INBOX_OUTBOUND_ALLOWED_NETWORKS"
    ]
    with redis.Redis(unix_socket_path=str(gateway.data_dir / "valkey" / "valkey.sock")) as server:
        stored = everything(server)
    assert b"U0KRQLJ9H" in stored
    for secret in SECRETS:
        assert secret.encode() not in stored
        assert secret not in gateway.log


def test_an_installation_starts_at_slack_with_a_signed_state(client: httpx.Client, ada: dict[str, str]) -> None:
    put(client, "slack", CONFIG)
    body = {"app_id": CONFIG["app_id"], "redirect_url": "https://example.com/done?a=b", "extra_scopes": ["users:read"]}
    started = client.post(f"{PATH}/slack/installations/start", headers=ada, json=body)
    assert started.status_code == 201, started.text
    address = httpx.URL(started.json()["auth_url"])
    assert str(address).startswith("https://slack.com/oauth/v2/authorize?")
    query = dict(address.params)
    state = query.pop("state")
    assert query == {
        "client_id": CONFIG["client_id"],
        "scope": "chat:write,incoming-webhook,users:read",
        "redirect_uri": body["redirect_url"],
    }
    assert started.json()["scopes"] == ["chat:write", "incoming-webhook", "users:read"]
    # The state of one user is not accepted from another, and nobody can make one.
    for who, sent in ((user_headers("eve"), state), (ada, state[:-3] + "abc"), (ada, "x")):
        finish = {"app_id": CONFIG["app_id"], "code": "c", "state": sent}
        refused = client.post(f"{PATH}/slack/installations/finish", headers=who, json=finish)
        assert messages(refused) == ["Param 'state' is not of this user's installation, or has expired: start again"]


def test_a_start_is_refused_for_another_app_another_address_or_without_integration(
    client: httpx.Client, ada: dict[str, str]
) -> None:
    put(client, "slack", CONFIG)
    other = client.post(f"{PATH}/slack/installations/start", headers=ada, json={"app_id": "A1"})
    assert messages(other) == ["Param 'app_id' is not that of the project's Slack integration"]
    for address in ("https://example.com/oauth/v2/authorize", "https://slack.com.example.com/oauth/v2/authorize"):
        body = {"app_id": CONFIG["app_id"], "auth_url": address}
        refused = client.post(f"{PATH}/slack/installations/start", headers=ada, json=body)
        assert messages(refused)[0].startswith("Param 'auth_url' must be")
    client.delete(f"{PATH}/slack", headers=ADMIN)
    for body in ({"app_id": "A1"}, {"app_id": "A1", "code": "c"}):
        step = "finish" if "code" in body else "start"
        missing = client.post(f"{PATH}/slack/installations/{step}", headers=ada, json=body)
        assert missing.status_code == 404
    put(client, "slack", CONFIG)


async def test_a_token_of_the_user_is_enough(http: httpx.AsyncClient) -> None:
    token = await issue(http, f"ada-{uuid4()}")
    body = {"channel": "sms", "text": "x"}
    saved = await http.post(f"{PATH}/templates/installations", headers=bearer(token["token"]), json=body)
    assert saved.status_code == 201


# ---- Slack's response to the code: a stub that is held by Slack's own description


class SlackStub:
    """Slack's `oauth.v2.access`, which accepts each code once. `codes` are what it responds to each code."""

    def __init__(self) -> None:
        self.codes: dict[str, Any] = {}
        self.faults: list[str] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status, body = stub.respond(self)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def respond(self, request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        """Return the response to a request, and note where it differs from Slack's description."""
        form = dict(parse_qsl(request.rfile.read(int(request.headers["Content-Length"])).decode()))
        self.faults += [f"unknown {name}" for name in form if name not in PARAMETERS]
        self.faults += [f"no {name}" for name, each in PARAMETERS.items() if each.get("required") and name not in form]
        if request.path != "/api/oauth.v2.access" or request.headers["Content-Type"] not in OAUTH["consumes"]:
            self.faults.append(f"{request.path} {request.headers['Content-Type']}")
        if (form["client_id"], form["client_secret"]) != (CONFIG["client_id"], CONFIG["client_secret"]):
            return 200, json.dumps(REFUSED).encode()
        found = self.codes.pop(form["code"], {"ok": False, "error": "invalid_code"})
        return found if isinstance(found, tuple) else (200, json.dumps(found).encode())


@pytest.fixture(scope="module")
def stub() -> Iterator[SlackStub]:
    stub = SlackStub()
    yield stub
    stub.server.shutdown()
    stub.server.server_close()


@pytest.fixture(scope="module")
def developed(stub: SlackStub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a gateway under development, for which Slack is on the loopback."""
    directory = tmp_path_factory.mktemp("slack")
    with running_gateway(directory / "data", INBOX_PROVIDER_URLS=f"slack={stub.url}") as gateway:
        with httpx.Client(base_url=gateway.url, timeout=30) as client:
            put(client, "slack", CONFIG)
            yield client
        for secret in (*SECRETS, CONFIG["client_secret"], "used-code"):
            assert secret not in gateway.log


def finish(client: httpx.Client, user: dict[str, str], code: str, **more: str) -> httpx.Response:
    body = {"app_id": CONFIG["app_id"], "code": code, **more}
    return client.post(f"{PATH}/slack/installations/finish", headers=user, json=body)


def test_a_code_is_exchanged_once_and_a_repeated_request_gets_the_same_response(
    developed: httpx.Client, stub: SlackStub, ada: dict[str, str]
) -> None:
    stub.codes["used-code"] = ACCEPTED
    address = "https://example.com/done"
    start = {"app_id": CONFIG["app_id"], "redirect_url": address}
    started = developed.post(f"{PATH}/slack/installations/start", headers=ada, json=start).json()
    state = httpx.URL(started["auth_url"]).params["state"]
    first = finish(developed, ada, "used-code", redirect_url=address, state=state)
    assert (first.status_code, first.json()) == (201, SHOWN)
    again = finish(developed, ada, "used-code", redirect_url=address, state=state)
    assert (again.status_code, again.content) == (201, first.content)
    refused = finish(developed, user_headers("eve"), "used-code")
    assert (refused.status_code, messages(refused)) == (422, ["Param 'code' was refused by Slack: invalid_code"])
    assert stub.faults == []


def test_an_app_that_is_installed_for_an_organization_is_saved(
    developed: httpx.Client, stub: SlackStub, ada: dict[str, str]
) -> None:
    stub.codes["o"] = {**ACCEPTED, "team": None, "is_enterprise_install": True, "authed_user": {"id": "U1"}}
    saved = finish(developed, ada, "o").json()
    assert (saved["id"], saved["team"]) == ("E12345678-A0KRD7HC3", ACCEPTED["enterprise"])


def test_a_response_that_is_none_of_slacks_is_an_error_of_the_provider(
    developed: httpx.Client, stub: SlackStub, ada: dict[str, str]
) -> None:
    for response in ((500, b"oops"), (302, b""), (200, b"[]"), (200, b"x" * 300_000), {"ok": True}):
        stub.codes["p"] = response
        refused = finish(developed, ada, "p")
        assert (refused.status_code, code(refused)) == (502, "provider_failed"), response
        assert "p" not in stub.codes  # it was asked
    stub.codes["p"] = ACCEPTED
    assert finish(developed, ada, "p").status_code == 201  # nothing was remembered
