"""Joe, a user of the bootstrap project who has one object of each kind, for tests that are made from the route table.

A row `POST` or `PUT /v2/things` with a body creates a thing from its example. The path parameter of `/v2/things/{id}`
is the id of the first entry of `GET /v2/things`. So a new resource of v2 needs nothing here.
"""

import contextlib
import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from gateway.api.core.call import PROJECT, USER, WORKSPACE
from gateway.api.core.operation import AnyOperation
from gateway.api.operations import OPERATIONS
from gateway.channels.registry import TOKEN_KINDS
from tests.servers import ADMIN, user_headers, wait_for

MARK = "known-to-joe-only"
TOPIC = "a-topic"  # any user may name a topic; the subscription to it is Joe's
CALLS = [row for row in OPERATIONS if row.caller in (USER, PROJECT, WORKSPACE)]
"""The operations of projects and their users. tests/api/admin calls those of admins."""

EVENT_STREAM = "text/event-stream"

CHANGING = re.compile(
    r"/v2/events.*|/v2/delivery/lanes|/v2/users|/v2/users/{user(_id)?}(/.*/trace)?|/.*active_users|/config"
    r"|/v2/(overview|usage|usage/minutes|storage|deliveries|sent.*)|/v2/users/{user}/(summary|export|connections)"
)
"""Paths whose responses change although nobody changes anything: they have times of use, what others did, or events
that are listed a moment after they happened."""


def is_stream(row: AnyOperation) -> bool:
    """Return whether an operation responds with a stream that does not end."""
    return row.success.media_type == EVENT_STREAM


def call(
    client: httpx.Client, row: AnyOperation, path: str, headers: Mapping[str, str], body: Any = None
) -> httpx.Response:
    """Call an operation at a path, by default with its example. Of a stream, read what comes at once."""
    if body is None and row.reads_body:
        body = row.inputs.body.wrapped(row.inputs.body.example)
    if not is_stream(row):
        return client.request(row.method, path, headers=dict(headers), json=body)
    with client.stream(row.method, path, headers=dict(headers), timeout=30) as response:
        response.request.extensions["timeout"]["read"] = 0.3  # of the body, whose headers are here
        parts: list[str] = []
        with contextlib.suppress(httpx.ReadTimeout):
            parts.extend(response.iter_text())
        return httpx.Response(response.status_code, text="".join(parts))


@dataclass
class Joe:
    """A user with one object of each kind. `paths` has the values of path parameters that have a name of their own."""

    client: httpx.Client
    external_id: str
    token: str = ""
    project_token: str = ""
    paths: dict[str, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    """The ids of Joe's objects, which no response to another may have."""

    def headers(self, row: AnyOperation) -> dict[str, str]:
        """Return the credentials with which Joe's objects are created and read."""
        return ADMIN if row.caller is PROJECT else user_headers(self.external_id)

    def path(self, row: AnyOperation, paths: Mapping[str, str] = {}) -> str:
        """Return the path of an operation on Joe's objects. `paths` replaces values of path parameters."""
        path, names = row.path, {**self.paths, **paths}
        while (found := re.search(r"{(\w+)(:path)?}", path)) is not None:
            before, name = path[: found.start() - 1], found[1]
            own = names.get(f"{name}/{row.method}") or names.get(name)
            if own is None or (name == "id" and not before.endswith("/notifications")):
                own = self._first_id(before)
            path = f"{before}/{own}{path[found.end() :]}"
        # A notification may be in many inboxes, and its id alone does not name one.
        return f"{path}?user={names['user']}" if path.endswith("/deliveryplan") else path

    def _first_id(self, collection: str) -> str:
        """Return the id of the first of Joe's objects in a list, and one that does not exist if there is none."""
        row = next((row for row in CALLS if row.method == "GET" and _matches(row, collection)), None)
        if row is None:
            return MARK
        entries = self.client.get(collection, headers=self.headers(row)).json().get("data", [])
        if not entries:
            return MARK
        self.ids.add(entries[0]["id"])
        return str(entries[0]["id"])

    def create(self, rows: Iterable[AnyOperation]) -> None:
        """Create the objects that operations create from their examples."""
        for row in rows:
            response = call(self.client, row, row.path, self.headers(row), body_of_joe(row))
            assert response.status_code in (200, 201, 501), f"{row}: {response.text}"

    def create_again(self, like: AnyOperation) -> None:
        """Create the objects of an operation again, which another one may have deleted."""
        self.create(row for row in CREATING if resource_of(row) == resource_of(like))

    def reads(self, like: AnyOperation | None = None) -> Iterator[AnyOperation]:
        """Iterate over the operations that read Joe's objects: all of them, or those of the same resource."""
        for row in CALLS:
            if row.method != "GET" or row.caller not in (USER, PROJECT) or is_stream(row):
                continue
            if CHANGING.fullmatch(row.path) or (like is not None and resource_of(row) != resource_of(like)):
                continue
            yield row

    def snapshot(self, like: AnyOperation | None = None) -> dict[str, Any]:
        """Return all that Joe and his backend can read, or only that of the same resource."""
        core = ("/notifications", "/notification_preferences", "/subscriptions", "/realtime/events")
        mine = user_headers(self.external_id)
        seen = {path: self.client.get(path, headers=mine).raise_for_status().json() for path in core}
        token, project_token = ({"Authorization": f"Bearer {one}"} for one in (self.token, self.project_token))
        for path in (f"/v2/jwt/user/{self.paths['user']}", "/v2/jwt/keys"):
            seen[path] = self.client.get(path, headers=project_token).raise_for_status().json()
        seen["/config"] = self.client.get("/config", headers=token).raise_for_status().status_code
        for row in self.reads(like):
            response = self.client.get(self.path(row), headers=self.headers(row))
            seen[row.path] = (response.status_code, response.text)
        return seen


def _matches(row: AnyOperation, path: str) -> bool:
    return bool(re.fullmatch(re.sub(r"{\w+}", "[^/]+", row.path), path))


def resource_of(row: AnyOperation) -> str:
    """Return what operations on the same objects have in common: the path without version, user and parameters."""
    path = re.sub(r"^/v2|/users/{user_id}(?=/)", "", row.path)
    parts = re.sub(r"/{.*", "", path).strip("/").split("/")
    return "/".join(parts[: 3 if parts[0] == "channels" else 2 if parts[0] == "integrations" else 1])


def made(client: httpx.Client, external_id: str) -> Joe:
    """Create Joe and his objects."""
    joe = Joe(client, external_id)
    mine = user_headers(external_id)
    notification = {"title": MARK, "category": MARK, "topic": TOPIC, "recipients": [{"external_id": external_id}]}
    sent = client.post("/notifications", headers=ADMIN, json={"notification": notification}).raise_for_status()
    saved = client.post("/users", headers=ADMIN, json={"user": {"external_id": external_id, "first_name": MARK}})
    channels = [{"slug": "email", "enabled": False}]
    preferences = {"notification_preferences": {"categories": [{"slug": f"{MARK}-2", "channels": channels}]}}
    client.put("/notification_preferences", headers=mine, json=preferences).raise_for_status()
    subscription = {"subscription": {"topic": TOPIC, "categories": [{"slug": MARK, "reason": MARK}]}}
    client.post("/subscriptions", headers=mine, json=subscription).raise_for_status()
    device = {"push_subscription": {"device_token": MARK, "platform": "ios"}}
    client.post("/push_subscriptions", headers=mine, json=device).raise_for_status()
    token = client.post("/v2/jwt/user", headers=ADMIN, json={"external_id": external_id, "name": MARK})
    project_token = client.post("/v2/jwt/project", headers=ADMIN, json={"name": MARK}).raise_for_status()
    broadcast = {"broadcast": {"title": MARK, "recipients": [{"external_id": external_id}]}}
    sent_broadcast = client.post("/broadcasts", headers=ADMIN, json=broadcast).raise_for_status()
    users = {"import": {"users": [{"external_id": external_id}, {"email": MARK}]}}
    imported = client.post("/imports", headers=ADMIN, json=users).raise_for_status()
    broadcast_id, import_id = sent_broadcast.json()["broadcast"]["id"], imported.json()["import"]["id"]
    for path in (f"/broadcasts/{broadcast_id}", f"/imports/{import_id}"):
        wait_for(lambda path=path: '"processed"' in client.get(path, headers=ADMIN).text, path)  # type: ignore[misc]
    joe.token, joe.project_token = token.json()["token"], project_token.json()["token"]
    joe.paths = {
        "id": sent.json()["notification"]["id"],
        "topic": TOPIC,
        "device_token": MARK,
        "user": saved.json()["user"]["id"],
        "user_id": saved.json()["user"]["id"],
        "user_or_token/GET": saved.json()["user"]["id"],
        "user_or_token/DELETE": token.json()["token_id"],
        "broadcast_id": broadcast_id,
        "import_id": import_id,
        "workspace_id": "1",
        "lane": "email",
        "project_id": str(client.get("/notifications", headers=mine).json()["project_id"]),
    }
    for each in client.get("/v2/webhooks/endpoints?limit=100", headers=ADMIN).json()["data"]:
        client.delete(f"/v2/webhooks/endpoints/{each['id']}", headers=ADMIN)  # others' tests may have used up all
    joe.create(CREATING)
    endpoint_id = client.get("/v2/webhooks/endpoints", headers=ADMIN).json()["data"][0]["id"]
    client.post(f"/v2/webhooks/endpoints/{endpoint_id}/test", headers=ADMIN).raise_for_status()
    return joe


CREATING = sorted(
    (
        row
        for row in CALLS
        if row.method in ("POST", "PUT")
        and row.reads_body
        and re.match(r"/v2/(channels/.*/tokens|integrations/(?!.*/(finish|test)$)|webhooks/endpoints$)", row.path)
    ),
    key=lambda row: row.path.count("/"),  # an installation needs the configuration of its integration
)
"""The operations that create Joe's objects besides those that `made` creates itself."""


def body_of_joe(row: AnyOperation) -> Any:
    """Return the example of an operation, in which a channel token differs from everybody else's."""
    body = copy.deepcopy(dict(row.inputs.body.example))
    path = row.path.replace("/integrations/web_push/installations", "/channels/web_push/tokens")  # the same tokens
    kind = next((kind for kind in TOKEN_KINDS if path.endswith(f"/channels/{kind.path}/tokens")), None)
    for identity in kind.identities[0] if kind is not None else ():
        *parents, name = identity.split(".")
        here = body
        for parent in parents:
            here = here[parent]
        here[name] += "0joe"
    return json.loads(json.dumps(row.inputs.body.wrapped(body)))
