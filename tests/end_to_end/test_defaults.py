"""What a gateway is without being told anything, and what it refuses to be: on a Redis of one's own."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from tests.end_to_end.test_cli import UNSET, fields, refusal, run
from tests.servers import ADMIN, API_KEY, Gateway, RedisServer, running_gateway, running_redis

SECRET_KEY = "shared-by-all-nodes"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis("valkey", tmp_path_factory.mktemp("r")) as started:
        yield started


@pytest.fixture
def environment(server: RedisServer) -> dict[str, str]:
    """The settings of a node on an empty Redis."""
    with redis.Redis(port=server.port) as client:
        client.flushall()
    return {"INBOX_REDIS_URL": server.url, "INBOX_SECRET_KEY": SECRET_KEY}


def printed(environment: dict[str, str], *arguments: str) -> str:
    """Return what a command printed that must succeed."""
    done = run(*arguments, data_dir=None, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def status(gateway: Gateway, headers: dict[str, str]) -> int:
    body = {"notification": {"title": "Hello", "recipients": [{"external_id": "ada"}]}}
    return httpx.post(f"{gateway.url}/notifications", headers=headers, json=body).status_code


def test_a_node_on_a_redis_of_ones_own_creates_no_project_and_says_how_to(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    for name in ("a", "b"):
        with running_gateway(tmp_path / name, **UNSET, **environment) as gateway:
            assert "inbox-gateway project create NAME" in gateway.log
            assert "api_secret" not in gateway.log
    assert printed(environment, "project", "list") == ""
    assert not list(tmp_path.glob("*/demo-project*"))


def test_what_was_changed_of_a_bootstrap_project_survives_a_restart(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with running_gateway(tmp_path / "data", **environment) as gateway:
        assert status(gateway, ADMIN) == 201
        assert "bootstrap_project_differs" not in gateway.log
        assert "hmac_is_off" not in gateway.log
        rotated = fields(printed(environment, "project", "rotate-secret", API_KEY, "--overlap", "0"))
        printed(environment, "project", "set", API_KEY, "--no-hmac")
        gateway.stop()
        gateway.start()
        new = ADMIN | {"X-MAGICBELL-API-SECRET": rotated["api secret"]}
        assert (status(gateway, ADMIN), status(gateway, new)) == (401, 201)
        assert fields(printed(environment, "project", "list"))["hmac"] == "not required"
        assert "INBOX_BOOTSTRAP_API_SECRET is not its API secret" in gateway.log
        assert "its HMAC is off" in gateway.log
        assert '"hmac_is_off"' in gateway.log
        assert rotated["api secret"] not in gateway.log


def test_a_bootstrap_project_requires_hmacs_unless_said_otherwise(tmp_path: Path, environment: dict[str, str]) -> None:
    with running_gateway(tmp_path / "data", INBOX_BOOTSTRAP_HMAC_ENABLED="", **environment) as gateway:
        nameless = {"X-MAGICBELL-API-KEY": API_KEY, "X-MAGICBELL-USER-EXTERNAL-ID": "ada"}
        response = httpx.get(f"{gateway.url}/notifications", headers=nameless)
        assert response.json()["errors"][0]["code"] == "neither_user_hmac_nor_api_secret_provided"


@pytest.mark.parametrize("with_project", [True, False], ids=["with-project", "without"])
def test_a_node_with_another_secret_key_is_refused(
    tmp_path: Path, environment: dict[str, str], with_project: bool
) -> None:
    if with_project:
        created = fields(printed(environment, "project", "create", "Shop"))
    else:
        assert "default" in printed(environment, "workspace", "list").lower()
    other = environment | {"INBOX_SECRET_KEY": "of-another-node-or-time"}
    for command in (("serve", "--port", "0"), ("project", "create", "Second"), ("token", "--workspace")):
        said = refusal(run(*command, data_dir=tmp_path / "data", **other))
        assert "encrypted with another secret key: set INBOX_SECRET_KEY" in said
    if with_project:
        rotated = fields(printed(other, "project", "rotate-secret", created["api key"], "--lost-secret-key"))
        assert rotated["api secret"] != created["api secret"]
        assert refusal(run("project", "create", "Second", data_dir=None, **environment))
        assert "api secret" in printed(other, "project", "create", "Second")
