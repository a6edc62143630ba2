"""Fixtures of the tests of the REST API."""

import httpx
import pytest

from tests.api.inbox import Inbox


@pytest.fixture
def inbox(http: httpx.AsyncClient, user: str) -> Inbox:
    """The inbox of a user that no other test uses."""
    return Inbox(http, user)
