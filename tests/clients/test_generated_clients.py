"""Clients generated from the OpenAPI document create, list and receive against a running gateway."""

import json
import shutil
from pathlib import Path

import httpx
import pytest

from tests.clients.running import install, npm_install, pip_install, run
from tests.servers import Gateway

HERE = Path(__file__).parent
TYPESCRIPT = ("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3")
PYTHON = "openapi-python-client==0.29.1"
EVENTS = ["notifications/new", "notification_preferences/update"]


def test_a_generated_typescript_client_creates_lists_and_receives(gateway: Gateway, tmp_path: Path) -> None:
    node = npm_install(tmp_path, *TYPESCRIPT)
    (tmp_path / "openapi.json").write_text(httpx.get(f"{gateway.url}/openapi.json").text)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(HERE / "generated.ts", tmp_path)
    programs = tmp_path / "node_modules" / ".bin"
    install(str(programs / "openapi-typescript"), "openapi.json", "-o", "api.d.ts", cwd=tmp_path)
    options = ("--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom", "--skipLibCheck")
    install(str(programs / "tsc"), *options, "generated.ts", cwd=tmp_path)
    assert json.loads(run(gateway, "typescript", node, str(tmp_path / "generated.js"))) == {
        "sent": True,
        "titles": ["Typed"],
        "project": "number",
        "plan": "pro",
        "v2": ["Short", 1, "expo", 1],
        "names": EVENTS,
        "changed": "news",
    }


@pytest.mark.timeout(300)  # the generator is installed first, and is slow
def test_a_generated_python_client_creates_lists_and_receives(gateway: Gateway, tmp_path: Path) -> None:
    programs = pip_install(tmp_path / "venv", PYTHON)
    (tmp_path / "openapi.json").write_text(httpx.get(f"{gateway.url}/openapi.json").text)
    generate = ("generate", "--path", "openapi.json", "--meta", "none", "--output-path", "client")
    install(str(programs / "openapi-python-client"), *generate, cwd=tmp_path)
    shutil.copy(HERE / "generated.py", tmp_path)
    assert json.loads(run(gateway, "python", str(programs / "python"), str(tmp_path / "generated.py"))) == {
        "sent": True,
        "titles": ["Typed"],
        "project": "int",
        "v2": ["Typed", 1, "expo", 1],
        "names": EVENTS,
        "changed": "news",
    }
