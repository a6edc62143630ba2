"""Workspaces for tests, and their tokens, made without the code that reads them."""

import hashlib
import hmac
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

from tests.api.tokens import bearer, encoded
from tests.servers import Gateway

PROJECT_FIELDS = {
    *("id", "name", "hmac_enabled", "api_key", "api_secret", "allowed_origins", "workspace"),
    *("item_retention_count", "item_retention_seconds", "strict"),
    *("event_retention_count", "event_retention_seconds"),
    *("max_users", "max_storage_bytes", "max_sends_per_minute", "max_sends_per_month"),
}


def workspace_key(gateway: Gateway) -> bytes:
    """Return the key that a gateway signs workspace tokens with."""
    secret = (gateway.data_dir / "secret.key").read_bytes().strip()
    return hashlib.sha256(b"inbox-gateway workspace tokens\0" + secret).digest()


def workspace_token(gateway: Gateway, workspace: str = "1", **others: Any) -> str:
    """Sign a workspace token. None removes a claim."""
    now = int(time.time())
    good: dict[str, Any] = {"workspace_id": workspace, "iat": now, "exp": now + 600, "jti": str(uuid4())}
    claims = {name: value for name, value in (good | others).items() if value is not None}
    key = workspace_key(gateway)
    key_id = "workspace-" + hashlib.sha256(b"key id\0" + key).hexdigest()[:8]
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': key_id})}.{encoded(claims)}"
    return f"{signed}.{encoded(hmac.digest(key, signed.encode(), 'sha256'))}"


def workspace_headers(gateway: Gateway, workspace: str = "1") -> dict[str, str]:
    """Return the headers of a workspace's administrator."""
    return bearer(workspace_token(gateway, workspace))


def command(gateway: Gateway, *arguments: str) -> str:
    """Run a command on the store of a running gateway, and return what it prints."""
    environment = {**os.environ, "INBOX_DATA_DIR": str(gateway.data_dir)}
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], env=environment, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def created_workspace(gateway: Gateway, title: str) -> str:
    """Create a workspace, and return its id."""
    found = re.search(r"^id +(\S+)$", command(gateway, "workspace", "create", title), flags=re.MULTILINE)
    assert found
    return found[1]


def created_project(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    """Create a project over HTTP, and return it."""
    with httpx.Client(base_url=gateway.url) as client:
        response = client.post(
            "/workspaces/default/projects",
            headers=workspace_headers(gateway),
            json={"project": {"name": "Shop", **fields}},
        )
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["project"]
    assert found.keys() == PROJECT_FIELDS
    return found


def changed_project(gateway: Gateway, project: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Change a project over HTTP, and return it."""
    path = f"{gateway.url}/workspaces/{project['workspace']['id']}/projects/{project['id']}"
    headers = workspace_headers(gateway, str(project["workspace"]["id"]))
    response = httpx.put(path, headers=headers, json={"project": fields})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["project"]
    return found


def admin_of(project: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a project's backend."""
    return {"X-MAGICBELL-API-KEY": project["api_key"], "X-MAGICBELL-API-SECRET": project["api_secret"]}


def user_of(project: Mapping[str, Any], external_id: str) -> dict[str, str]:
    """Return the headers of a user of a project, authenticated by the API secret."""
    return {**admin_of(project), "X-MAGICBELL-USER-EXTERNAL-ID": external_id}
