"""An authenticator on a real server, and a project of its own for each test."""

import secrets
import time

import pytest

from gateway.auth.authenticator import Authenticator
from gateway.auth.inbox_tokens import InboxTokens
from gateway.domain.new_user_limits import NewUserLimits
from gateway.domain.principal import Project
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.directory import Directory
from gateway.store.projects import ProjectStore
from gateway.store.tokens import TokenStore
from tests.store.conftest import InspectedClient, client

__all__ = ["client"]


@pytest.fixture
def projects(client: InspectedClient) -> ProjectStore:
    """All projects, with secrets that this node can read."""
    return ProjectStore(client, "the secret key of these tests")


@pytest.fixture
async def project(projects: ProjectStore) -> Project:
    """A project that requires user HMACs."""
    return await projects.create(f"auth {secrets.token_hex(4)}", hmac_enabled=True)


@pytest.fixture
async def open_project(projects: ProjectStore) -> Project:
    """A project with HMAC disabled."""
    return await projects.create(f"open {secrets.token_hex(4)}", hmac_enabled=False)


@pytest.fixture
def authenticator(client: InspectedClient, projects: ProjectStore) -> Authenticator:
    """An authenticator that creates at most two unproven users per address."""
    directory = Directory(client, time.monotonic)
    tokens = InboxTokens(ChannelTokenStore(client), directory)
    return Authenticator(projects, directory, TokenStore(client), time.time, NewUserLimits(0, 2), tokens)
