"""What remains of a user after the erasure: only what docs/production/erasure.md lists."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import redis

from gateway.store import keys
from tests.golden.data import read_all
from tests.servers import ADMIN, RedisServer, running_gateway, running_redis, wait_for

NAMES: dict[str, Any] = {
    "external_id": "grace-7f3e",
    "email": "grace@erased.example.com",
    "first_name": "Gracefirst",
    "last_name": "Gracelast",
    "phone_numbers": ["+4915550199"],
    "custom_attributes": {"city": "Gracetown"},
}
DEVICE = "c2f1" * 15 + "9876"
SECRET_KEY = "a secret key of 32 characters or more"
CONTENT = "Dear Gracecontent"
TEXTS = ("grace", "Grace", "4915550199", DEVICE)

_ID = {"id"}
_SENT = {"grace", "Grace", "4915550199", "id"}

REMAINS: dict[str, set[str]] = {
    r"\{1:[0-9a-f-]+\}": _ID,  # the mark that the user was deleted, for a day
    r"\{1:[0-9a-f-]+\}:settled:.*": _ID,  # that a notification was deleted, for a day
    r"\{1\}:events:type:\d+": _ID,  # the project's log of events, for INBOX_PROJECT_EVENTS_SECONDS
    r"\{1\}:sent:.+": _ID,  # whom a request named, for 30 days
    r"\{1\}:job:[^:]+:reached": _ID,  # whom a broadcast reached, for 30 days
    r"\{1\}:job:[^:]+": _SENT,  # broadcasts as they were requested, for 30 days
    r"\{1\}:idempotency:.+": _SENT,  # requests with an Idempotency-Key and their responses, for a day
    r"\{deliveries:\d+\}:(due|marks)\b.*": _ID,  # until a process that delivers finds nothing to send, seconds
    r"\{admins\}:audit(:1)?": _ID,  # that the user was erased, and by whom, for INBOX_AUDIT_SECONDS
}
"""What has traces of an erased user, as docs/production/erasure.md describes it, and which."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis("valkey", tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(scope="module")
def http(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    directory: Path = tmp_path_factory.mktemp("gateway")
    with (
        running_gateway(directory / "data", INBOX_REDIS_URL=server.url, INBOX_SECRET_KEY=SECRET_KEY) as gateway,
        httpx.Client(base_url=gateway.url, timeout=30, headers=ADMIN) as client,
    ):
        yield client


def use_everything(http: httpx.Client) -> str:
    """Have everything stored that can be stored about a user. Return the user's id."""
    user = http.post("/v2/users", json=NAMES, headers={"Idempotency-Key": "create"}).raise_for_status().json()
    me = {"X-MAGICBELL-USER-EXTERNAL-ID": str(NAMES["external_id"])}
    smtp = {"host": "mail.example.com", "port": 587, "security": "starttls", "from": {"email": "shop@example.com"}}
    smtp |= {"username": "shop", "password": "a-password"}
    http.put("/v2/integrations/smtp", json=smtp).raise_for_status()
    recipients = [{"external_id": NAMES["external_id"]}, {"external_id": "joe"}]
    for index, some in enumerate((recipients, recipients[:1], recipients[:1])):
        body = {
            "title": CONTENT if len(some) == 1 else "To two",
            "category": f"c{index}",
            "topic": f"t{index}",
            "recipients": some,
        }
        key = {"Idempotency-Key": f"send-{index}"}
        sent = http.post("/notifications", json={"notification": body}, headers=key).raise_for_status().json()
    http.post(f"/notifications/{sent['notification']['id']}/read", headers=me).raise_for_status()
    http.delete(f"/notifications/{sent['notification']['id']}", headers=me).raise_for_status()
    off = {"categories": [{"key": "c1", "channels": [{"name": "email", "enabled": False}]}]}
    http.put("/v2/channels/user_preferences", headers=me, json=off).raise_for_status()
    topic = {"subscription": {"topic": "t1", "categories": [{"slug": "*", "reason": "watching"}]}}
    http.post("/subscriptions", headers=me, json=topic).raise_for_status()
    http.post("/v2/channels/mobile_push/apns/tokens", headers=me, json={"device_token": DEVICE}).raise_for_status()
    token = {"external_id": NAMES["external_id"], "name": "Grace's phone"}
    http.post("/v2/jwt/user", json=token).raise_for_status()
    http.put("/v2/integrations/inbox/installations", headers=me, json={"locale": "de"}).raise_for_status()
    everybody = {"title": "To all", "recipients": [{"matches": "*"}, recipients[0]]}
    jobs = [http.post("/v2/broadcasts", json=everybody).raise_for_status().json()["id"]]
    users = {"import": {"users": [{"external_id": NAMES["external_id"], "email": NAMES["email"]}]}}
    imported = http.post("/imports", json=users).raise_for_status().json()["import"]["id"]
    wait_for(lambda: _status(http, f"/v2/broadcasts/{jobs[0]}") == "processed", "the broadcast", 60)
    wait_for(lambda: http.get(f"/imports/{imported}").json()["import"]["status"] == "processed", "the import", 60)
    return str(user["id"])


def _status(http: httpx.Client, path: str) -> Any:
    return http.get(path).json()["status"]["status"]


def traces(server: RedisServer, user_id: str, whole: bool = False) -> dict[str, list[str]]:
    """Return what the store still has of a user, by key: the names, the texts, the id in either form.

    With `whole`, return the values of these keys instead.
    """
    binary = UUID(user_id).bytes.decode("latin-1")
    found: dict[str, list[str]] = {}
    with redis.Redis(port=server.port) as admin:
        for entry in read_all(admin):
            text = f"{entry['key']} {entry['value']!r}"
            raw = entry["key"] + _flat(entry["value"])
            marks = [mark for mark in TEXTS if mark in raw or mark in text]
            marks += ["id"] * (user_id in raw or binary in raw)
            if marks:
                found[entry["key"]] = [raw] if whole else marks
    return found


def _flat(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "\n".join(map(_flat, value))
    return str(value)


def test_only_what_is_documented_remains_of_an_erased_user(http: httpx.Client, server: RedisServer) -> None:
    user_id = use_everything(http)
    before = traces(server, user_id)
    assert {mark for marks in before.values() for mark in marks} >= {"grace", "Grace", "4915550199", DEVICE, "id"}
    http.delete(f"/v2/users/{user_id}").raise_for_status()
    after = traces(server, user_id)
    unknown = {key: marks for key, marks in after.items() if not _documented(key, marks)}
    assert unknown == {}
    for of_user in (f"{{1:{user_id}}}:items", "{1}:users", "token_owner", ":devices", "subscribers"):
        assert any(of_user in key for key in before), of_user
        assert not any(of_user in key for key in after), of_user


def _documented(key: str, marks: list[str]) -> bool:
    """Return whether a key may have these traces."""
    rest = key.removeprefix(keys.PREFIX)
    return any(re.fullmatch(pattern, rest, re.DOTALL) and set(marks) <= allowed for pattern, allowed in REMAINS.items())


def test_the_commands_export_and_erase_a_user(http: httpx.Client, server: RedisServer, tmp_path: Path) -> None:
    created = http.post("/v2/users", json={"external_id": "ben", "email": "ben@example.com"}).raise_for_status().json()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("INBOX_")},
        "INBOX_REDIS_URL": server.url,
        "INBOX_DATA_DIR": str(tmp_path / "data"),
        "INBOX_SECRET_KEY": SECRET_KEY,
    }

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "gateway", "user", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    exported = run("export", "ben@example.com")
    document = json.loads(exported.stdout)
    assert document["user"]["id"] == created["id"]
    assert document.keys() == http.get(f"/v2/users/{created['id']}/export").json().keys()
    assert run("export", "external_id:ben", str(tmp_path / "ben.json")).returncode == 0
    assert json.loads((tmp_path / "ben.json").read_text())["user"]["id"] == created["id"]
    assert (tmp_path / "ben.json").stat().st_mode & 0o777 == 0o600
    assert "--force replaces it" in run("export", "external_id:ben", str(tmp_path / "ben.json")).stderr
    assert run("erase", "ben", "--yes").stdout == f"the user {created['id']} is erased\n"
    assert http.get(f"/v2/users/{created['id']}").status_code == 404
    gone = run("erase", "ben", "--yes")
    assert (gone.returncode, gone.stderr) == (1, "Error: the project has no user 'ben'\n")
    assert '"action":"user_erase"' in str(traces(server, created["id"], whole=True))
