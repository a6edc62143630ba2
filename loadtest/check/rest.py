"""REST requests of writers and devices, repeated until they succeed."""

import asyncio
import random
import ssl
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.domain.event import Position
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from loadtest.check.replica import Message
from loadtest.servers.gateway import ADMIN, user_headers

PAUSE_SECONDS = 0.1
RESPONSE_SECONDS = 5.0
RETRIED = (409, 502, 503, 504, 507)
"""Statuses after which a request is repeated.

The store is unavailable, refuses writes or is full, or the first of two equal requests is still in progress.
"""

PER_PAGE = 100


class RefusedError(Exception):
    """The server responded with an error that a retry cannot resolve. The message contains the response."""


@dataclass(frozen=True)
class FinalResponse:
    """The last response, and the number of requests that it took."""

    response: httpx.Response
    requests: int


class Rest:
    """A client of all gateways behind the front proxy, which retries while connections fail."""

    def __init__(self, port: int):
        # HTTP without TLS: loading the certificate authorities would take 30 ms.
        no_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        self._http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=RESPONSE_SECONDS, verify=no_authorities, limits=limits
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def once(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request once. Raise httpx.HTTPError."""
        return await self._http.request(method, path, **options)

    async def until_response(self, method: str, path: str, expected: tuple[int, ...], **options: Any) -> FinalResponse:
        """Repeat a request until its status is an expected one.

        Raise RefusedError for a status that is neither expected nor in RETRIED.
        """
        requests = 0
        while True:
            requests += 1
            try:
                response = await self._http.request(method, path, **options)
            except httpx.HTTPError:
                pass
            else:
                if response.status_code in expected:
                    return FinalResponse(response, requests)
                if response.status_code not in RETRIED:
                    raise RefusedError(f"{method} {path}: {response.status_code} {response.text[:500]}")
            await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))

    async def send(self, users: list[str], write: str, category: str | None, topic: str | None) -> FinalResponse:
        """Send a notification to some users, with an idempotency key, so that repetitions have no further effect."""
        notification = {
            "title": write,
            "category": category,
            "topic": topic,
            "recipients": [{"external_id": user} for user in users],
        }
        return await self.until_response(
            "POST",
            "/notifications",
            (201,),
            headers={**ADMIN, "Idempotency-Key": write},
            json={"notification": notification},
        )

    async def listed(self, user: str) -> tuple[list[Message], Position | None]:
        """Return all items of a user, newest first, and their position, which is the same for all pages."""
        while True:
            first = await self._page(user, 1)
            at = first.headers.get("X-Inbox-Position")
            found: list[Message] = list(first.json()["notifications"])
            while len(found) < first.json()["total"]:
                page = await self._page(user, len(found) // PER_PAGE + 1)
                if page.headers.get("X-Inbox-Position") != at or not page.json()["notifications"]:
                    break
                found += page.json()["notifications"]
            else:
                return found, Position.parse(at) if at else None

    async def principal(self, name: str) -> User:
        """Return a user with the internal ids, by external id."""
        final = await self.until_response("GET", "/config", (200,), headers=user_headers(name))
        _, project_id, _, user_id = str(final.response.json()["ws"]["channel"]).split(":")
        return User(ProjectId(project_id), UserId(user_id), name, None)

    async def position(self, user: str) -> Position | None:
        """Return the position of a user's log, None if there is none."""
        final = await self.until_response(
            "GET", "/notifications", (200,), headers=user_headers(user), params={"per_page": "1"}
        )
        at = final.response.headers.get("X-Inbox-Position")
        return Position.parse(at) if at else None

    async def _page(self, user: str, page: int) -> httpx.Response:
        query = {"per_page": str(PER_PAGE), "page": str(page)}
        final = await self.until_response("GET", "/notifications", (200,), headers=user_headers(user), params=query)
        return final.response
