"""A gateway with the dashboard: an owner, an editor, a viewer, and a project with something in it."""

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from tests.servers import ADMIN, Gateway, running_gateway, user_headers, wait_for
from tests.stubs.in_thread import in_thread
from tests.stubs.mail_services import SendgridStub

PASSWORD = "an-example-of-a-password"
OWNER, EDITOR, VIEWER = "owner", "editor", "viewer"
ROLES = (OWNER, EDITOR, VIEWER)

PEOPLE = (
    ("ada", "Ada", "Lovelace"),
    ("grace", "Grace", "Hopper"),
    ("alan", "Alan", "Turing"),
    ("edsger", "Edsger", "Dijkstra"),
    ("barbara", "Barbara", "Liskov"),
    ("donald", "Donald", "Knuth"),
)


@dataclass(frozen=True)
class Instance:
    """A running gateway. `sessions` has the secret of a session of each role; `backend` is a client of the project."""

    gateway: Gateway
    mail: SendgridStub
    backend: httpx.Client
    sessions: dict[str, str]

    @property
    def url(self) -> str:
        """The address of the dashboard, with a slash at its end."""
        return f"{self.gateway.url}/admin/"

    @cached_property
    def project_id(self) -> str:
        """The id of the project."""
        return str(self.api(OWNER, "GET", "projects").json()["data"][0]["id"])

    def cookie(self, role: str) -> dict[str, Any]:
        """Return the cookie of a role's session, for Playwright."""
        return {"name": "inbox_admin", "value": self.sessions[role], "url": self.gateway.url}

    def api(self, role: str, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Call an operation of the dashboard, below `/admin/api/`. Raise for a refusal."""
        headers = {"Cookie": f"inbox_admin={self.sessions[role]}", "Sec-Fetch-Site": "same-origin"}
        return self.backend.request(method, f"/admin/api/{path}", headers=headers, **arguments).raise_for_status()

    def request(self, method: str, path: str, user: str = "", **arguments: Any) -> httpx.Response:
        """Send a request to the gateway, as a user if one is given, otherwise as the backend. Raise for a refusal."""
        headers = user_headers(user) if user else ADMIN
        return self.backend.request(method, path, headers=headers, **arguments).raise_for_status()

    def send(self, title: str, *users: str, **fields: Any) -> str:
        """Send a notification. Return its id."""
        body = {"notification": {"title": title, "recipients": [{"external_id": user} for user in users], **fields}}
        return str(self.request("POST", "/notifications", json=body).json()["notification"]["id"])


@contextlib.contextmanager
def running_instance(directory: Path, *providers: str, is_empty: bool = False, **settings: str) -> Iterator[Instance]:
    """Run a gateway whose project has users, notifications and deliveries, or nothing if `is_empty`.

    `providers` are addresses of other providers, in the form of INBOX_PROVIDER_URLS.
    """
    file = directory / "password"
    file.write_text(f"{PASSWORD}\n")
    # HTTP without TLS: loading the certificate authorities would take 30 ms for each client.
    no_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with in_thread(SendgridStub()) as mail:
        environment = {
            "INBOX_ADMIN_EMAIL": f"{OWNER}@example.com",
            "INBOX_ADMIN_PASSWORD_FILE": str(file),
            "INBOX_DELIVERY_WORKERS": "1",
            "INBOX_PROVIDER_URLS": ",".join((f"sendgrid={mail.url}", "slack=http://127.0.0.1:1", *providers)),
            **settings,
        }
        with (
            running_gateway(directory / "data", **environment) as gateway,
            httpx.Client(base_url=gateway.url, timeout=60, verify=no_authorities) as backend,
        ):
            instance = Instance(gateway, mail, backend, {})
            sign_in(instance)
            if not is_empty:
                seed(instance)
            yield instance


def sign_in(instance: Instance) -> None:
    """Begin a session of each role. The owner invites the others."""
    owner = {"email": f"{OWNER}@example.com", "password": PASSWORD}
    instance.sessions[OWNER] = _begun(instance, "login", owner)
    instance.api(OWNER, "POST", "confirm", json={"password": PASSWORD})
    for role in (EDITOR, VIEWER):
        admin = {"email": f"{role}@example.com", "name": role.title(), "roles": {"*": role}}
        link = instance.api(OWNER, "POST", "admins", json=admin).json()["link"]
        password = {"token": link.partition("token=")[2], "password": PASSWORD}
        instance.sessions[role] = _begun(instance, "setup", password)


def _begun(instance: Instance, operation: str, body: dict[str, str]) -> str:
    headers = {"Sec-Fetch-Site": "same-origin"}
    response = instance.backend.post(f"/admin/api/{operation}", headers=headers, json=body).raise_for_status()
    secret = response.cookies["inbox_admin"]
    instance.backend.cookies.clear()
    return str(secret)


def seed(instance: Instance) -> None:
    """Fill the project, and wait until its mails are delivered."""
    mail = {"api_key": instance.mail.key, "from": {"email": "shop@example.com"}}
    instance.request("PUT", "/v2/integrations/sendgrid", json=mail)
    for external_id, first_name, last_name in PEOPLE:
        user = {"external_id": external_id, "email": f"{external_id}@example.com"}
        names = {"first_name": first_name, "last_name": last_name, "custom_attributes": {"plan": "pro"}}
        instance.request("POST", "/users", json={"user": user | names})
    instance.send("Welcome to Shop", *(name for name, _, _ in PEOPLE), category="account")
    instance.send("Your invoice is ready", "ada", category="billing", content="Invoice 1042 is due on <b>Friday</b>.")
    order = instance.send("Order 1043 has shipped", "ada", "grace", category="orders", topic="orders:1043")
    instance.request("POST", f"/notifications/{order}/read", "ada")
    off = {"categories": [{"key": "billing", "channels": [{"name": "in_app", "enabled": False}]}]}
    instance.request("PUT", "/v2/channels/user_preferences", "grace", json=off)
    instance.send("Your card was declined", "grace", category="billing")
    wait_for(lambda: len(instance.mail.mails) >= len(PEOPLE), "the mails", 60)
