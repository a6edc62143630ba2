"""The vendor's MIT-licensed clients, from the registries and unmodified, against a running gateway."""

import json
from pathlib import Path

import httpx

from tests.clients.running import npm_install, pip_install, run
from tests.servers import ADMIN, Gateway, user_headers

# The licence of newer releases of the npm client forbids competing products, so these are the versions to test.
NPM_CLIENT = "@magicbell/core@3.1.0"
PYPI_CLIENT = "magicbell==1.1.1"

HERE = Path(__file__).parent


def test_the_npm_client_fetches_reads_marks_and_deletes(gateway: Gateway, tmp_path: Path) -> None:
    node = npm_install(tmp_path, NPM_CLIENT)
    for title in ("One", "Two"):
        body = {"notification": {"title": title, "category": "orders", "recipients": [{"external_id": "npm"}]}}
        httpx.post(f"{gateway.url}/notifications", headers=ADMIN, json=body).raise_for_status()
    seen = json.loads(run(gateway, "npm", node, str(HERE / "core.mjs"), CLIENTS=str(tmp_path)))
    assert "orders" in seen.pop("categories")
    assert seen == {
        "fetched": [2, 2, 2],
        "title": "Two",
        "read": [2, 1, 1],
        "unread": [2, 2, 1],
        "allRead": [2, 0, 0],
        "deleted": [1, 0, 0],
    }


def test_the_pypi_client_sends(gateway: Gateway, tmp_path: Path) -> None:
    python = str(pip_install(tmp_path / "venv", PYPI_CLIENT) / "python")
    sent = run(gateway, "pypi", python, str(HERE / "sdk.py")).strip()
    found = httpx.get(f"{gateway.url}/notifications/{sent}", headers=user_headers("pypi"))
    assert found.json()["notification"]["title"] == "From the SDK"
