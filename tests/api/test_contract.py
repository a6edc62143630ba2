"""The v1 contract, operation by operation and limit by limit."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.inbox import messages
from tests.api.workspaces import created_project, workspace_headers
from tests.servers import ADMIN, Gateway, user_headers

USER, BACKEND, WORKSPACE = "user", "backend", "workspace"
Json = dict[str, Any]
Path = tuple[str | int, ...]


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client


class Caller:
    """Calls each operation with the credentials that it needs. `name` is an external id that no other test uses."""

    def __init__(self, client: httpx.Client, gateway: Gateway):
        self.name = str(uuid4())
        self._client = client
        self._gateway = gateway

    def call(self, method: str, path: str, who: str, body: Any = None) -> httpx.Response:
        credentials = {
            USER: lambda: user_headers(self.name),
            BACKEND: lambda: ADMIN,
            WORKSPACE: lambda: workspace_headers(self._gateway),
        }[who]()
        return self._client.request(method, path, headers=credentials, json=body)

    def made(self, method: str, path: str, who: str, body: Any) -> Json:
        """Make a call that must succeed, and return the response."""
        response = self.call(method, path, who, body)
        assert response.status_code in (200, 201), response.text
        found: Json = response.json()
        return found

    # what the paths of the contract name

    def notification(self) -> str:
        return str(self.made("POST", "/notifications", BACKEND, self.body("notification"))["notification"]["id"])

    def broadcast(self) -> str:
        return str(self.made("POST", "/broadcasts", BACKEND, self.body("broadcast"))["broadcast"]["id"])

    def user(self) -> str:
        return str(self.made("POST", "/users", BACKEND, self.body("user"))["user"]["id"])

    def user_by_email(self) -> str:
        self.user()
        return f"email:{self.name}@example.com"

    def user_by_external_id(self) -> str:
        self.user()
        return f"external_id:{self.name}"

    def import_(self) -> str:
        return str(self.made("POST", "/imports", BACKEND, self.body("import"))["import"]["id"])

    def device_token(self) -> str:
        self.made("POST", "/push_subscriptions", USER, self.body("push_subscription"))
        return self.name

    def topic(self) -> str:
        self.made("POST", "/subscriptions", USER, self.body("subscription"))
        return self.name

    def project_id(self) -> str:
        return str(created_project(self._gateway)["id"])

    def body(self, root: str) -> Json:
        """Return a valid body."""
        message = {"title": "Hello", "recipients": [{"external_id": self.name}]}
        user = {"external_id": self.name, "email": f"{self.name}@example.com"}
        bodies: dict[str, Any] = {
            "notification": message,
            "broadcast": message,
            "user": user,
            "import": {"users": [user]},
            "push_subscription": {"device_token": self.name, "platform": "ios"},
            "subscription": {"topic": self.name, "categories": [{"slug": "c", "reason": "r"}]},
            "notification_preferences": {
                "categories": [{"slug": "c", "channels": [{"slug": "email", "enabled": False}]}]
            },
            "project": {"name": "Shop", "hmac_enabled": True},
        }
        return {root: bodies[root]}


@pytest.fixture
def caller(client: httpx.Client, gateway: Gateway) -> Caller:
    return Caller(client, gateway)


# ---- operations

PROJECTS = "/workspaces/default/projects"

# Method, path (a method of Caller creates what braces name), the caller, status, body.
OPERATIONS: list[tuple[str, str, str, int, str]] = [
    ("GET", "/config", USER, 200, ""),
    ("GET", "/notifications", USER, 200, ""),
    ("GET", "/notifications/{notification}", USER, 200, ""),
    ("DELETE", "/notifications/{notification}", USER, 204, ""),
    ("POST", "/notifications/{notification}/read", USER, 204, ""),
    ("POST", "/notifications/{notification}/unread", USER, 204, ""),
    ("POST", "/notifications/{notification}/archive", USER, 204, ""),
    ("DELETE", "/notifications/{notification}/archive", USER, 204, ""),
    ("POST", "/notifications/read", USER, 204, ""),
    ("POST", "/notifications/seen", USER, 204, ""),
    ("GET", "/notification_preferences", USER, 200, ""),
    ("PUT", "/notification_preferences", USER, 200, "notification_preferences"),
    ("POST", "/push_subscriptions", USER, 201, "push_subscription"),
    ("DELETE", "/push_subscriptions/{device_token}", USER, 204, ""),
    ("GET", "/subscriptions", USER, 200, ""),
    ("POST", "/subscriptions", USER, 200, "subscription"),
    ("POST", "/subscriptions/{topic}/unsubscribe", USER, 200, "subscription"),
    ("GET", "/subscriptions/{topic}", USER, 200, ""),
    ("DELETE", "/subscriptions/{topic}", USER, 204, ""),
    ("POST", "/notifications", BACKEND, 201, "notification"),
    ("POST", "/broadcasts", BACKEND, 201, "broadcast"),
    ("GET", "/broadcasts", BACKEND, 200, ""),
    ("GET", "/broadcasts/{broadcast}", BACKEND, 200, ""),
    ("GET", "/broadcasts/{broadcast}/notifications", BACKEND, 200, ""),
    ("POST", "/users", BACKEND, 201, "user"),
    ("PUT", "/users/{user}", BACKEND, 200, "user"),
    ("PUT", "/users/{user_by_email}", BACKEND, 200, "user"),
    ("PUT", "/users/{user_by_external_id}", BACKEND, 200, "user"),
    ("DELETE", "/users/{user}", BACKEND, 204, ""),
    ("DELETE", "/users/{user_by_email}", BACKEND, 204, ""),
    ("DELETE", "/users/{user_by_external_id}", BACKEND, 204, ""),
    ("POST", "/imports", BACKEND, 201, "import"),
    ("GET", "/imports/{import_}", BACKEND, 200, ""),
    ("GET", PROJECTS, WORKSPACE, 200, ""),
    ("POST", PROJECTS, WORKSPACE, 200, "project"),
    ("GET", f"{PROJECTS}/{{project_id}}", WORKSPACE, 200, ""),
    ("PUT", f"{PROJECTS}/{{project_id}}", WORKSPACE, 200, "project"),
    ("DELETE", f"{PROJECTS}/{{project_id}}", WORKSPACE, 200, ""),
]


def path_for(caller: Caller, path: str) -> str:
    """Create what a path names, and return the path with its id."""
    head, brace, rest = path.partition("{")
    if not brace:
        return path
    maker, _, tail = rest.partition("}")
    made: Callable[[], str] = getattr(caller, maker)
    return head + made() + tail


@pytest.mark.parametrize(
    ("method", "path", "who", "status", "root"), OPERATIONS, ids=[f"{row[0]} {row[1]}" for row in OPERATIONS]
)
def test_every_operation_of_the_contract_returns_what_it_specifies(
    caller: Caller, method: str, path: str, who: str, status: int, root: str
) -> None:
    response = caller.call(method, path_for(caller, path), who, caller.body(root) if root else None)
    assert response.status_code == status, response.text
    if status == 204:
        assert response.content == b""
    elif root:
        assert response.json().keys() == {root}


# ---- limits

MEGABYTE = 1024 * 1024
DOMAIN = "@example.com"
EMAIL = "e" * (255 - len(DOMAIN)) + DOMAIN


def hash_of(size: int) -> Json:
    """Return an object of exactly this many bytes as compact JSON."""
    return {"a": "x" * (size - len('{"a":""}'))}


def people(count: int) -> list[Json]:
    return [{"external_id": f"contract-{number}"} for number in range(count)]


def text(most: int) -> tuple[Any, Any]:
    return "x" * most, "x" * (most + 1)


USER_LIMITS: dict[Path, tuple[Any, Any]] = {
    ("external_id",): text(255),
    ("email",): (EMAIL, "e" + EMAIL),
    ("first_name",): text(50),
    ("last_name",): text(50),
    ("custom_attributes",): (hash_of(6000), hash_of(6001)),
    ("phone_numbers",): (["1"] * 50, ["1"] * 51),
}
MESSAGE_LIMITS: dict[Path, tuple[Any, Any]] = {
    ("title",): text(255),
    ("content",): text(4 * MEGABYTE),
    ("action_url",): text(2048),
    ("category",): text(100),
    ("topic",): text(100),
    ("custom_attributes",): (hash_of(6000), hash_of(6001)),
    ("recipients",): (people(1000), people(1001)),
    **{("recipients", 0, *path): values for path, values in USER_LIMITS.items()},
}

# Operation: the caller, the body's root, and for each field the largest value and one just over it.
LIMITS: dict[tuple[str, str], tuple[str, str, Mapping[Path, tuple[Any, Any]]]] = {
    ("POST", "/notifications"): (BACKEND, "notification", MESSAGE_LIMITS),
    ("POST", "/broadcasts"): (BACKEND, "broadcast", MESSAGE_LIMITS),
    ("POST", "/users"): (BACKEND, "user", USER_LIMITS),
    ("PUT", "/users/{user}"): (BACKEND, "user", USER_LIMITS),
    ("POST", "/push_subscriptions"): (
        USER,
        "push_subscription",
        {
            ("device_token",): text(255),
            ("platform",): ("safari", "windows"),
            ("app_bundle_id",): text(155),
        },
    ),
    ("POST", "/subscriptions"): (
        USER,
        "subscription",
        {("topic",): text(100), ("categories", 0, "slug"): text(100)},
    ),
    ("PUT", "/notification_preferences"): (
        USER,
        "notification_preferences",
        {("categories", 0, "slug"): text(100)},
    ),
    ("POST", PROJECTS): (WORKSPACE, "project", {("name",): text(255)}),
    ("PUT", f"{PROJECTS}/{{project_id}}"): (WORKSPACE, "project", {("name",): text(255)}),
}
ROWS = [
    pytest.param(method, path, who, root, field, *values, id=f"{method} {path}: {'.'.join(map(str, field))}")
    for (method, path), (who, root, fields) in LIMITS.items()
    for field, values in fields.items()
]


def with_value(body: Json, path: Path, value: Any) -> Json:
    """Return a copy of a body with another value at a path."""
    changed = copy.deepcopy(body)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def name_of(path: Path) -> str:
    """Return a path as messages write it: `user.phone_numbers[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]


@pytest.mark.parametrize(("method", "path", "who", "root", "field", "within", "over"), ROWS)
def test_a_value_at_its_limit_is_accepted_and_one_over_it_is_refused_by_name(
    caller: Caller, method: str, path: str, who: str, root: str, field: Path, within: Any, over: Any
) -> None:
    if field[-1] in ("external_id", "email", "device_token"):  # a name belongs to one user: make it unique
        within, over = caller.name + within[len(caller.name) :], caller.name + over[len(caller.name) :]
    path = path_for(caller, path)
    body = caller.body(root)
    refused = caller.call(method, path, who, with_value(body, (root, *field), over))
    assert refused.status_code == 422, refused.text[:200]
    (message,) = messages(refused)
    assert message.startswith(f"Param '{name_of((root, *field))}' must ")
    accepted = caller.call(method, path, who, with_value(body, (root, *field), within))
    assert accepted.status_code in (200, 201), accepted.text[:200]


@pytest.mark.parametrize(("path", "root"), [("/notifications", "notification"), ("/broadcasts", "broadcast")])
def test_at_least_one_recipient_is_needed(caller: Caller, path: str, root: str) -> None:
    response = caller.call("POST", path, BACKEND, with_value(caller.body(root), (root, "recipients"), []))
    assert (response.status_code, messages(response)) == (422, [f"Param '{root}.recipients' must have 1 to 1000 items"])


@pytest.mark.parametrize(("per_page", "status"), [(0, 422), (1, 200), (100, 200), (101, 422)])
def test_a_page_of_notifications_has_1_to_100_of_them(caller: Caller, per_page: int, status: int) -> None:
    response = caller.call("GET", f"/notifications?per_page={per_page}", USER)
    assert response.status_code == status
    if status == 422:
        assert messages(response) == ["Param 'per_page' must be a number from 1 to 100"]
    else:
        assert response.json()["per_page"] == per_page


def test_a_page_has_15_notifications_by_default(caller: Caller) -> None:
    response = caller.call("GET", "/notifications", USER).json()
    assert (response["per_page"], response["current_page"]) == (15, 1)


# ---- invalid bodies


@pytest.mark.parametrize(
    ("root", "value", "message"),
    [
        ("notification", {"recipients": [{"external_id": "a"}]}, "Param 'notification.title' is missing"),
        ("user", {"email": "x"}, "Param 'user.email' must be an email address"),
        (
            "notification",
            {"title": "t", "recipients": [{"external_id": "a"}], "custom_attributes": []},
            "Param 'notification.custom_attributes' must be a hash",
        ),
    ],
)
def test_an_invalid_parameter_has_the_message_of_the_contract_and_no_code(
    caller: Caller, root: str, value: Json, message: str
) -> None:
    response = caller.call("POST", f"/{root}s", BACKEND, {root: value})
    (problem,) = response.json()["errors"]
    assert (response.status_code, problem["message"]) == (422, message)
    assert problem.keys() <= {"message", "suggestion"}


def test_every_failing_parameter_has_an_entry(caller: Caller) -> None:
    response = caller.call("POST", "/notifications", BACKEND, {"notification": {"action_url": 5}})
    assert (response.status_code, messages(response)) == (
        422,
        [
            "Param 'notification.title' is missing",
            "Param 'notification.action_url' must be a string",
            "Param 'notification.recipients' is missing",
        ],
    )
