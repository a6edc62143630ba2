"""Admins for tests, created by the command line, and their clients."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx

from tests.api.tokens import bearer
from tests.servers import Gateway

PASSWORD = "correct horse battery"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}

_OWNERS: dict[Path, tuple[str, str]] = {}


def run_command(gateway: Gateway, *arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a command on the store of a running gateway, with some standard input."""
    environment = {**os.environ, **gateway.environment, "INBOX_DATA_DIR": str(gateway.data_dir)}
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )


def create_admin(gateway: Gateway, email: str, *options: str) -> None:
    """Create an admin with PASSWORD."""
    done = run_command(gateway, "admin", "create", email, "--password-stdin", *options, given=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr


def owner_of(gateway: Gateway) -> tuple[str, str]:
    """Return the email and a token of an owner of a gateway, who is created at the first call."""
    if gateway.data_dir not in _OWNERS:
        email = f"owner-{uuid4().hex[:8]}@example.com"
        create_admin(gateway, email)
        token = run_command(gateway, "admin", "token", email)
        assert token.returncode == 0, token.stderr
        _OWNERS[gateway.data_dir] = (email, token.stdout.strip())
    return _OWNERS[gateway.data_dir]


def owner_headers(gateway: Gateway) -> dict[str, str]:
    """Return the headers of a script of an owner."""
    return bearer(owner_of(gateway)[1])


def invited(gateway: Gateway, roles: dict[str, str]) -> str:
    """Invite an admin with PASSWORD, and return the email."""
    email = f"admin-{uuid4().hex[:8]}@example.com"
    with httpx.Client(base_url=f"{gateway.url}/admin/api") as client:
        made = client.post("/admins", headers=owner_headers(gateway), json={"email": email, "roles": roles})
        assert made.status_code == 201, made.text
        token = made.json()["link"].partition("#token=")[2]
        done = client.post("/setup", headers=SAME_ORIGIN, json={"token": token, "password": PASSWORD})
        assert done.status_code == 200, done.text
    return email


@contextlib.contextmanager
def signed_in(gateway: Gateway, email: str) -> Iterator[httpx.Client]:
    """Yield a client with the cookie of an admin, which sends what a page of the dashboard sends."""
    with httpx.Client(base_url=f"{gateway.url}/admin/api", headers=SAME_ORIGIN, timeout=30) as client:
        login = client.post("/login", json={"email": email, "password": PASSWORD})
        assert login.status_code == 200, login.text
        yield client
