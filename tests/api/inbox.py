"""One user's inbox as a client of the REST API, and the backend that sends to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.servers import ADMIN, API_KEY, user_headers, user_hmac

ORIGIN = "https://app.example.com"
"""The origin of a web page."""


def email_headers(email: str) -> dict[str, str]:
    """Return the headers of a user of the bootstrap project who is named by email."""
    return {
        "X-MAGICBELL-API-KEY": API_KEY,
        "X-MAGICBELL-USER-EMAIL": email,
        "X-MAGICBELL-USER-HMAC": user_hmac(email.lower()),
    }


def messages(response: httpx.Response) -> list[str]:
    """Return the messages of a response with the v1 `errors` array."""
    return [problem["message"] for problem in response.json()["errors"]]


def code(response: httpx.Response) -> str:
    """Return the code of the only error in a response."""
    (problem,) = response.json()["errors"]
    found: str = problem["code"]
    return found


def notification(*external_ids: str, **fields: Any) -> dict[str, Any]:
    """Return a body of `POST /notifications`. `fields` override the minimal ones."""
    recipients = [{"external_id": external_id} for external_id in external_ids]
    return {"notification": {"title": "Hello", "recipients": recipients, **fields}}


async def send(http: httpx.AsyncClient, body: Any, **headers: str) -> httpx.Response:
    """Send a notification as a backend. An underscore in the name of a header stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await http.post("/notifications", headers=ADMIN | named, json=body)


@dataclass(frozen=True)
class Inbox:
    """A user's inbox. Every method but `request` asserts that the call succeeds."""

    http: httpx.AsyncClient
    external_id: str

    @property
    def headers(self) -> dict[str, str]:
        """The user's credentials."""
        return user_headers(self.external_id)

    async def request(self, method: str, path: str, headers: Mapping[str, str] = {}, **more: Any) -> httpx.Response:
        """Call anything as the user."""
        return await self.http.request(method, path, headers={**self.headers, **headers}, **more)

    async def receive(self, title: str = "Hello", **fields: Any) -> str:
        """Send a notification to the user, and return its id."""
        response = await send(self.http, notification(self.external_id, title=title, **fields))
        assert response.status_code == 201, response.text
        found: str = response.json()["notification"]["id"]
        return found

    async def get(self, path: str) -> dict[str, Any]:
        """Fetch anything."""
        response = await self.request("GET", path)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def item(self, item_id: str) -> dict[str, Any]:
        """Fetch one item."""
        found: dict[str, Any] = (await self.get(f"/notifications/{item_id}"))["notification"]
        return found

    async def page(self, query: str = "") -> dict[str, Any]:
        """Return a page of the list, for a raw query string."""
        return await self.get(f"/notifications?{query}")

    async def titles(self, query: str = "") -> list[str]:
        """Return the titles on a page of the list."""
        return [item["title"] for item in (await self.page(query))["notifications"]]

    async def do(self, *actions: str) -> None:
        """Change things: `read` and `seen` everything, `POST <id>/read`, `DELETE <id>`, in order."""
        for action in actions:
            method, _, path = action.rpartition(" ")
            response = await self.request(method or "POST", f"/notifications/{path}")
            assert response.status_code == 204, response.text

    async def events(self, since: str = "") -> dict[str, Any]:
        """Pull events."""
        return await self.get(f"/realtime/events?since={since}")


def positions(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the positions of pulled events."""
    return [event["position"] for event in events]
