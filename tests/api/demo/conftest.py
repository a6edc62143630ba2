"""A gateway with a demo, and its visitors."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.end_to_end.demo_page import Demo, running_demo

_NUMBERS = itertools.count(1)


@dataclass
class Visitor:
    """A browser that visits the demo, with its cookie."""

    demo: Demo
    http: httpx.Client

    def post(self, operation: str, body: Any = None, **headers: str) -> httpx.Response:
        """Call an operation of the demo."""
        return self.http.post(f"/demo/api/{operation}", json={} if body is None else body, headers=headers)

    def external_id(self, person: str) -> str:
        """Return the external id of a person of this visitor."""
        people = self.post("visits").raise_for_status().json()["people"]
        found: str = next(each["external_id"] for each in people if each["id"] == person)
        return found

    def token(self, device: str) -> str:
        """Return a new token of a device."""
        token: str = self.post("tokens", {"device": device}).raise_for_status().json()["token"]
        return token

    def inbox(self, token: str) -> httpx.Response:
        """Return the response to a request for the inbox with a token."""
        return self.http.get("/notifications", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A gateway without any settings."""
    with running_demo(tmp_path_factory.mktemp("demo") / "data") as started:
        yield started


@pytest.fixture
def visitor(demo: Demo) -> Iterator[Visitor]:
    """A visitor who has begun a visit."""
    # Each test has an address of its own, because visits are limited by address.
    address = {"X-Forwarded-For": f"198.51.100.{next(_NUMBERS)}"}
    with httpx.Client(base_url=demo.gateway.url, timeout=10, headers=address) as http:
        found = Visitor(demo, http)
        assert found.post("visits").status_code == 200
        yield found
