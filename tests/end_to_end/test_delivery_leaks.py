"""What was sent by way of every provider, and with which secrets, is written nowhere but where it belongs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from gateway.channels import fcm, mailgun, sendgrid, ses, slack, twilio, web_push
from tests.servers import ADMIN, Gateway, running_gateway, running_redis, user_headers, wait_for
from tests.stubs.http_stub import HttpStub, Received, Reply
from tests.stubs.in_thread import in_thread

MARK = "Zq9"
"""What every marked value has in it, and nothing else."""

PHONE = "+15559173346"
SECRET = f"{MARK}secret"
ADA = user_headers("ada")
TOKENS = "/v2/channels"


class Hostile(HttpStub):
    """A provider that answers each request with all that was in it, with a status that the test chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 400

    def reply(self, request: Received) -> Reply:
        """Repeat a request in every place where a provider says something."""
        if request.path == "/token":
            return Reply(200, {"access_token": f"{SECRET}token", "expires_in": 3600})
        said = f"{request.path} {dict(request.headers)} {request.body.decode(errors='replace')}"
        line = re.sub(r"[^ -~]", " ", said)[:2000]
        body = {
            **dict.fromkeys(("message", "Message", "error_description", "MessageId", "id", "sid", "name", "ts"), said),
            "error": {"status": said, "message": said, "details": [{"errorCode": said}]} if "v1/p" in said else said,
            "errors": [{"code": said, "message": said, "field": said}],
            "data": [{"status": "error", "message": said, "id": said, "details": {"error": said}}],
            "ok": self.status == 200,
            "__type": said,
        }
        names = ("x-message-id", "x-amzn-errortype", "x-ms-workflow-run-id", "retry-after", "location")
        return Reply(self.status, body, dict.fromkeys(names, line))


class Leaks:
    """A gateway that logs all it can, and whose providers repeat what they get."""

    def __init__(self, gateway: Gateway, provider: Hostile, client: httpx.Client, store: redis.Redis):
        self.gateway = gateway
        self.provider = provider
        self.client = client
        self.store = store

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] = ADMIN) -> Any:
        response = self.client.request(method, path, json=body, headers=headers)
        assert response.status_code < 300, f"{path}: {response.text}"
        return response.json() if response.content else None


@pytest.fixture(scope="module")
def leaks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leaks]:
    directory: Path = tmp_path_factory.mktemp("leaks")
    (directory / "r").mkdir()
    with in_thread(Hostile()) as provider, running_redis("valkey", directory / "r") as server:
        names = ("expo", "fcm", "mailgun", "sendgrid", "slack", "twilio")
        environment = {
            "INBOX_DELIVERY_WORKERS": "1",
            "INBOX_LOG_LEVEL": "debug",
            "INBOX_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
            "INBOX_PROVIDER_URLS": ",".join(f"{name}={provider.url}" for name in names),
            "INBOX_REDIS_URL": server.url,
            "INBOX_SECRET_KEY": "a-secret-key-for-tests-of-leaks",
        }
        with (
            running_gateway(directory / "data", **environment) as gateway,
            httpx.Client(base_url=gateway.url, timeout=30) as client,
        ):
            wait_for(lambda: '"delivery_ready"' in gateway.log, "the process that delivers", 30)
            with redis.Redis.from_url(server.url) as store:
                yield Leaks(gateway, provider, client, store)


CONFIGS: dict[str, dict[str, Any]] = {
    "expo": {"access_token": f"{SECRET}1"},
    "fcm": dict(fcm.INTEGRATION.example),
    "slack": {**slack.INTEGRATION.example, "client_secret": f"{SECRET}{'8' * 23}"},
    "twilio": {**twilio.INTEGRATION.example, "api_key": f"{SECRET}9", "api_secret": f"{SECRET}10"},
    "web_push": dict(web_push.INTEGRATION.example),
    "mailgun": {**mailgun.INTEGRATION.example, "api_key": f"{SECRET}3", "webhook_signing_secret": f"{SECRET}4"},
    "ses": {**ses.INTEGRATION.example, "secret_key": f"{SECRET}6"},
    "sendgrid": {**sendgrid.INTEGRATION.example, "api_key": f"{SECRET}5"},
}

PROVIDERS = ("expo", "fcm", "slack", "teams", "twilio", "web_push", "mailgun", "ses", "sendgrid")

BELONGS = re.compile(
    rb":overrides$|:channel_tokens:|:users$|:webhook_endpoints$|:items$|:log$|:bodies$|\{1:[0-9a-f-]{36}\}$"
)
"""The keys with notifications, users and channel tokens."""


def set_up(leaks: Leaks) -> None:
    call, url = leaks.call, leaks.provider.url
    for name, config in CONFIGS.items():
        call("PUT", f"/v2/integrations/{name}", config | ({"endpoint": url} if name == "ses" else {}))
    call("POST", "/v2/users", {"external_id": "ada", "email": f"{MARK}mail@example.com", "phone_numbers": [PHONE]})
    call("POST", f"{TOKENS}/mobile_push/expo/tokens", {"device_token": f"ExponentPushToken[{MARK}expo]"}, ADA)
    call("POST", f"{TOKENS}/mobile_push/fcm/tokens", {"device_token": f"{MARK}fcm" + "x" * 80}, ADA)
    call("PUT", f"{TOKENS}/web_push/tokens", {**web_push.TOKEN.example, "endpoint": f"{url}/{MARK}push"}, ADA)
    call("PUT", f"{TOKENS}/teams/tokens", {"webhook": {"url": f"{url}/{MARK}teams"}}, ADA)
    call("PUT", f"{TOKENS}/slack/tokens", {"webhook": {"url": f"{url}/{MARK}slack"}}, ADA)
    installation = {**slack.INSTALLATION.example, "access_token": f"{SECRET}11", "refresh_token": f"{SECRET}12"}
    saved = call("PUT", "/v2/integrations/slack/installations", installation, ADA)
    call("PUT", f"{TOKENS}/slack/tokens", {"oauth": {"channel_id": "C1", "installation_id": saved["id"]}}, ADA)


def trace_of_new(leaks: Leaks) -> str:
    """Send a notification, and return its trace when each channel has been tried."""
    notification = {
        "title": f"{MARK}title",
        "content": f"{MARK}content",
        "action_url": f"https://example.com/{MARK}action",
        "custom_attributes": {"a": f"{MARK}attribute"},
        "recipients": [{"external_id": "ada"}],
        "overrides": {"providers": {name: {"x": f"{MARK}override"} for name in PROVIDERS}},
    }
    sent = leaks.call("POST", "/notifications", {"notification": notification})["notification"]["id"]
    path = f"/v2/users/external_id:ada/notifications/{sent}/trace"

    def trace() -> str:
        found = leaks.client.get(path, headers=ADMIN)
        tried = {step["channel"] for step in found.json()["steps"] if step["provider"]}
        return found.text if len(tried) == 6 else ""

    return str(wait_for(trace, "all channels", 60))


def test_nothing_that_was_sent_and_no_secret_is_written_where_it_does_not_belong(leaks: Leaks) -> None:
    set_up(leaks)
    endpoint = leaks.call(
        "POST", "/v2/webhooks/endpoints", {"url": f"{leaks.provider.url}/{MARK}hook", "event_types": ["delivery.*"]}
    )
    written: list[str] = []
    for status in (200, 400, 401, 429, 500):
        leaks.provider.status = status
        for name in PROVIDERS:
            # One mail service sends at a time: the first that is configured.
            written.append(json.dumps(leaks.call("POST", f"/v2/delivery/tests/{name}", {"user": "external_id:ada"})))
        if status in (200, 400):
            written.append(trace_of_new(leaks))
    events = f"/v2/webhooks/endpoints/{endpoint['id']}/messages"
    wait_for(lambda: leaks.call("GET", events)["data"], "a webhook", 30)
    written += [
        json.dumps(leaks.call("GET", path)) for path in (events, "/v2/events?page[size]=100", "/v2/delivery/lanes")
    ]
    written += [leaks.client.get("/metrics").text, leaks.gateway.log, doctor(leaks)]
    shown = [text for text in written if re.search(f"{MARK}|{PHONE[1:]}", text, re.IGNORECASE)]
    assert not shown, shown
    assert "_failed" not in leaks.gateway.log
    for key in leaks.store.scan_iter(count=1000):
        value = stored(leaks.store, key)
        assert SECRET.encode() not in value, key
        assert BELONGS.search(key) or not re.search(f"{MARK}|{PHONE[1:]}".encode(), value, re.IGNORECASE), key


def doctor(leaks: Leaks) -> str:
    command = (sys.executable, "-m", "gateway", "doctor")
    done = subprocess.run(command, env=os.environ | leaks.gateway.environment, capture_output=True, text=True)
    return done.stdout + done.stderr


def stored(store: redis.Redis, key: bytes) -> bytes:
    """Return all that is at a key."""
    match store.type(key):
        case b"hash":
            found: Any = store.hgetall(key)
        case b"zset":
            found = store.zrange(key, 0, -1)
        case b"stream":
            found = store.xrange(key)
        case b"list":
            found = store.lrange(key, 0, -1)
        case b"set":
            found = store.smembers(key)
        case _:
            found = store.get(key)
    return repr(found).encode()
