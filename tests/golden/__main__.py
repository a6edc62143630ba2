"""Write the golden data: send a gateway of this build every request that stores data, and save the store."""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import httpx
import redis

from gateway.channels import github, inbox, slack, web_push
from gateway.domain.ids import ProjectId
from gateway.settings import Settings
from gateway.store.idempotency import IdempotencyStore
from gateway.store.jobs import JobKind, JobStore
from gateway.store.library import LIBRARY
from gateway.store.project_deletion import ProjectDeletion
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from gateway.store.workspaces import WorkspaceStore
from tests.golden.data import SECRET_KEY, read_all, save
from tests.golden.old_commit import record, save_recorded
from tests.golden.reading import read_responses
from tests.servers import ADMIN, running_gateway, running_redis, user_headers, wait_for

EXPIRY_SECONDS = 10 * 365 * 24 * 3600
"""The lifetime of tokens: the longest that is allowed, as the tests need them to be valid when the data is read."""

FIRST = 1
"""The id of the bootstrap project."""


def main() -> None:
    """Write the data of this build, or record the data of the older commit again."""
    match sys.argv[1:]:
        case ["--write"]:
            write()
        case ["--record"]:
            with tempfile.TemporaryDirectory() as name, running_redis("valkey", Path(name)) as server:
                save_recorded(record(server, Path(name)))
        case _:
            sys.exit("usage: python -m tests.golden --write | --record")


def write() -> None:
    """Write the data that this build stores."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with running_redis("valkey", directory) as server, redis.Redis(port=server.port) as admin:
            environment = {"INBOX_REDIS_URL": server.url, "INBOX_SECRET_KEY": SECRET_KEY}
            with running_gateway(directory / "data", **environment) as gateway:
                with httpx.Client(base_url=gateway.url, timeout=30) as http:
                    replayed, jobs = use(http)
                    responses = read_responses(http, jobs)
                gateway.stop()
            # Unfinished work, which the gateway that loads the data completes.
            unfinished = asyncio.run(leave_unfinished(server.url))
            admin.function_flush()
            document = {"answers": responses, "jobs": jobs, "replayed": replayed, "unfinished_import": unfinished}
            save({**document, "entries": read_all(admin)})


def use(http: httpx.Client) -> tuple[dict[str, str], list[str]]:
    """Send every request that stores data. Return one request with its response, and the paths of jobs."""
    replayed: dict[str, str] = {}
    for number in range(12):
        notification = {
            "title": f"Number {number} \u2603",
            "content": "<b>Content</b>",
            "action_url": "https://example.com/" if number % 2 else None,
            "category": ("orders", "status", None)[number % 3],
            "topic": ("order:1", None)[number % 2],
            "custom_attributes": {"number": number},
            "recipients": [{"external_id": "ada", "email": "ada@example.com"}, {"email": "ben@example.com"}],
        }
        text = json.dumps({"notification": notification})
        key = {"Idempotency-Key": f"golden-{number}"} if number < 3 else {}
        response = sent(http.post("/notifications", headers={**ADMIN, **key}, content=text))
        replayed = replayed or {"key": f"golden-{number}", "body": text, "answer": response.text}
    ids = [each["id"] for each in sent(http.get("/notifications", headers=user_headers("ada"))).json()["notifications"]]
    for path, command in ((f"{ids[0]}/read", "POST"), (f"{ids[1]}/archive", "POST"), (f"{ids[2]}/seen", "POST")):
        sent(http.request(command, f"/notifications/{path}", headers=user_headers("ada")))
    sent(http.delete(f"/notifications/{ids[3]}", headers=user_headers("ada")))
    sent(http.post("/notifications/read", headers=user_headers("ada"), params={"topics": "order:1"}))
    profile = {"external_id": "cat", "first_name": "Cat", "custom_attributes": {"plan": "pro"}}
    sent(http.post("/users", headers=ADMIN, json={"user": profile}))
    sent(http.post("/users", headers=ADMIN, json={"user": {"external_id": "dan", "email": "dan@example.com"}}))
    sent(http.delete("/users/external_id:dan", headers=ADMIN))
    wishes = {"categories": [{"slug": "status", "channels": [{"slug": "email", "enabled": False}]}]}
    body = {"notification_preferences": wishes}
    sent(http.put("/notification_preferences", headers=user_headers("ada"), json=body))
    for user, topic in (("ada", "order:1"), ("cat", "order:1"), ("ada", "order:2")):
        subscription = {"topic": topic, "categories": [{"slug": "*", "reason": "mine"}]}
        sent(http.post("/subscriptions", headers=user_headers(user), json={"subscription": subscription}))
    off = {"subscription": {"categories": [{"slug": "*"}]}}
    sent(http.post("/subscriptions/order:2/unsubscribe", headers=user_headers("ada"), json=off))
    for token in ("one", "two"):
        device = {"device_token": token * 8, "platform": "ios", "app_bundle_id": "com.example.app"}
        sent(http.post("/push_subscriptions", headers=user_headers("ada"), json={"push_subscription": device}))
    for number in range(3):
        user_token = {"external_id": "ada", "expiry": EXPIRY_SECONDS, "name": f"token {number}"}
        sent(http.post("/v2/jwt/user", headers=ADMIN, json=user_token))
    listed = sent(http.get("/v2/jwt/user/external_id:ada", headers=ADMIN)).json()["data"]
    sent(http.delete(f"/v2/jwt/user/{listed[0]['id']}", headers=ADMIN))
    sent(http.post("/users/external_id:cat/revoke_tokens", headers=ADMIN, json={}))
    channels = [{"channel": "in_app"}, {"channel": "email", "delay": 60, "if": "{{ notification.unseen }}"}]
    sent(http.put("/v2/channels/deliveryconfig", headers=ADMIN, json={"key": "status", "channels": channels}))
    sent(http.post("/v2/jwt/project", headers=ADMIN, json={"name": "A service", "expiry": EXPIRY_SECONDS}))
    for kind in (github.INTEGRATION, web_push.INTEGRATION):
        sent(http.put(f"/v2/integrations/{kind.name}", headers=ADMIN, json=kind.example))
    for installed in (inbox.INSTALLATION, slack.INSTALLATION):
        path = f"/v2/integrations/{installed.name}/installations"
        sent(http.put(path, headers=user_headers("ada"), json=installed.example))
    broadcast = {"title": "To all", "category": "status", "topic": "order:1", "recipients": [{"matches": "*"}]}
    jobs = [done(http, "broadcasts", sent(http.post("/broadcasts", headers=ADMIN, json={"broadcast": broadcast})))]
    users = [{"external_id": f"imported-{number}"} for number in range(3)]
    jobs.append(done(http, "imports", sent(http.post("/imports", headers=ADMIN, json={"import": {"users": users}}))))
    return replayed, jobs


def sent(response: httpx.Response) -> httpx.Response:
    """Return a response. Raise AssertionError if it is not a success."""
    assert response.is_success, (response.request.url, response.status_code, response.text)
    return response


def done(http: httpx.Client, kind: str, accepted: httpx.Response) -> str:
    """Wait for a job, and return its path."""
    (body,) = accepted.json().values()

    def is_done() -> bool:
        return '"processed"' in sent(http.get(f"/{kind}/{body['id']}", headers=ADMIN)).text

    wait_for(is_done, f"the {kind} to be done", 30)
    return f"/{kind}/{body['id']}"


async def leave_unfinished(url: str) -> str:
    """Store unfinished jobs and data beside the projects. Return the id of an unfinished import."""
    client = FunctionClient(Topology(Settings(redis_url=url)), LIBRARY)
    projects, workspaces, jobs = ProjectStore(client, SECRET_KEY), WorkspaceStore(client), JobStore(client)
    project = ProjectId(str(FIRST))
    workspace = await workspaces.create("Another workspace")
    await workspaces.revoke_token("a-revoked-token", EXPIRY_SECONDS)
    await projects.create("Another project", True, "another-api-key", "another-api-secret", workspace.id)
    doomed = await projects.create("A deleted project", True)
    await ProjectDeletion(projects).delete(doomed)
    await jobs.enqueue_project_deletion(doomed.id)
    await IdempotencyStore(client).begin(project, "unfinished", "fingerprint", b"plan")
    portions = [b'[{"external_id":"late-1"},{"external_id":"late-2"}]']
    unfinished = str(uuid4())
    await jobs.enqueue(JobKind.IMPORT, project, unfinished, b"{}", int(time.time() * 1000), portions)
    client.close()
    await asyncio.sleep(0.1)
    return unfinished


if __name__ == "__main__":
    main()
