"""The server under test: its addresses, its users and their credentials, and its REST API."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp

from conformance.checks import Violation

Message = dict[str, Any]

NAMES = ("unread_count", "unseen_count")
"""The two counts."""


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class User:
    """A user of the server, whom it knows once a notification was sent."""

    id: str
    api_key: str
    api_secret: str = field(repr=False)

    @property
    def hmac(self) -> str:
        """The proof that the backend knows this user."""
        digest = hmac.digest(self.api_secret.encode(), self.id.encode(), hashlib.sha256)
        return base64.b64encode(digest).decode()

    @property
    def fields(self) -> dict[str, str]:
        """The credentials as in the query and in the first message."""
        return {"api_key": self.api_key, "user_external_id": self.id, "user_hmac": self.hmac}

    @property
    def headers(self) -> dict[str, str]:
        """The credentials as headers."""
        return {
            "X-MAGICBELL-API-KEY": self.api_key,
            "X-MAGICBELL-USER-EXTERNAL-ID": self.id,
            "X-MAGICBELL-USER-HMAC": self.hmac,
        }

    def token(self, seconds: float) -> str:
        """Return a user token that is valid for so many seconds from now."""
        claims = {"api_key": self.api_key, "user_external_id": self.id, "exp": int(time.time() + seconds)}
        parts = [_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        signed = ".".join(parts)
        return f"{signed}.{_base64url(hmac.digest(self.api_secret.encode(), signed.encode(), hashlib.sha256))}"


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and a project in it that the checks send to. `retained_events` is how many events its logs keep."""

    url: str
    api_key: str
    api_secret: str = field(repr=False)
    http: aiohttp.ClientSession
    patience_seconds: float = 20.0
    retained_events: int | None = None

    def address(self, path: str) -> str:
        """Return the address of a path."""
        return self.url.rstrip("/") + path

    async def new_user(self) -> User:
        """Create a user without notifications in the inbox, but with a log of two events."""
        user = User(f"conformance-{uuid4().hex[:16]}", self.api_key, self.api_secret)
        sent = await self.send(user)
        await self.change(user, "DELETE", f"/notifications/{sent}")
        return user

    async def send(self, user: User, **fields: Any) -> str:
        """Send a notification to a user, and return its id."""
        body = {"notification": {"title": "Conformance", **fields, "recipients": [{"external_id": user.id}]}}
        headers = {"X-MAGICBELL-API-KEY": self.api_key, "X-MAGICBELL-API-SECRET": self.api_secret}
        async with self.http.post(self.address("/notifications"), json=body, headers=headers) as response:
            found = await self._json(response, "POST /notifications")
        return str(found["notification"]["id"])

    async def change(self, user: User, method: str, path: str, **headers: str) -> str:
        """Change a user's inbox, and return the position of the change."""
        async with self.http.request(method, self.address(path), headers={**user.headers, **headers}) as response:
            if response.status >= 300:
                raise Violation(f"{method} {path} to succeed", f"{response.status}: {(await response.text())[:200]}")
            return response.headers.get("X-Inbox-Position", "")

    async def listing(self, user: User, **query: str) -> tuple[Message, str]:
        """Return a list of a user's notifications, and its position."""
        async with self.http.get(self.address("/notifications"), headers=user.headers, params=query) as response:
            return await self._json(response, "GET /notifications"), response.headers.get("X-Inbox-Position", "")

    async def counts(self, user: User) -> Message:
        """Return the counts of a user's inbox in the form that messages have."""
        everything, _ = await self.listing(user)
        unarchived, _ = await self.listing(user, archived="false")
        return {name: everything[name] for name in NAMES} | {"unarchived": {name: unarchived[name] for name in NAMES}}

    async def _json(self, response: aiohttp.ClientResponse, what: str) -> Message:
        if response.status >= 300:
            raise Violation(f"{what} to succeed", f"{response.status}: {(await response.text())[:200]}")
        found: Message = await response.json()
        return found


def counts_in(message: Message) -> Message:
    """Return the counts of a message."""
    found = {name: message.get(name) for name in NAMES}
    return found | {"unarchived": {name: (message.get("unarchived") or {}).get(name) for name in NAMES}}


def epoch(position: str) -> str:
    """Return the epoch of a position."""
    return position.rpartition(".")[0]


def offset(position: str) -> int:
    """Return the offset of a position. Raise ValueError if it has none."""
    return int(position.rpartition(".")[2])


def moved(position: str, steps: int) -> str:
    """Return the position so many events later."""
    return f"{epoch(position)}.{offset(position) + steps}"
