"""compose.yaml: its schema, and what its services would run."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from gateway.server.supervisor import STOP_GRACE_SECONDS
from gateway.server.valkey.binary import valkey_binary
from gateway.settings import Settings, load_settings
from tests.deploy.fronts import DEPLOY, NewCaddy
from tests.servers import free_port, running_gateway, wait_for

EXAMPLE = dict(
    line.split("=", 1) for line in (DEPLOY / ".env.example").read_text().splitlines() if line and line[0] != "#"
)
COMPOSE = shutil.which("docker-compose")


def interpolated(values: dict[str, str]) -> dict[str, Any]:
    """Return compose.yaml with values in place of its variables."""

    def value(match: re.Match[str]) -> str:
        return values.get(match[1]) or (match[3] if match[2] == "-" else "")

    text = re.sub(r"\$\{(\w+)(?::([-?])([^}]*))?\}", value, (DEPLOY / "compose.yaml").read_text())
    found: dict[str, Any] = yaml.safe_load(text)
    return found


FILE = interpolated(EXAMPLE)
SERVICES: dict[str, Any] = FILE["services"]
GATEWAYS = {name: each for name, each in SERVICES.items() if "INBOX_SECRET_KEY_FILE" in each.get("environment", {})}


def settings_of(service: dict[str, Any], secrets: Path) -> Settings:
    """Return the settings of a container, with the files of its secrets in a directory."""
    given = {name: str(text) for name, text in service["environment"].items()}
    return load_settings({name: text.replace("/run/secrets", str(secrets)) for name, text in given.items()})


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Return a directory with secrets, made by the commands of docs/deploy/compose.md."""
    page = (DEPLOY.parent / "docs" / "deploy" / "compose.md").read_text()
    (commands,) = (each for each in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "secrets/redis-url" in each)
    subprocess.run(["sh", "-eu", "-c", commands], cwd=tmp_path, check=True, timeout=30)
    return tmp_path / "secrets"


@pytest.mark.skipif(COMPOSE is None, reason="docker-compose is not installed: `make proxies` installs it")
def test_the_file_conforms_to_the_schema_of_compose(tmp_path: Path) -> None:
    assert COMPOSE is not None
    command = [COMPOSE, "--env-file", str(DEPLOY / ".env.example"), "-f", str(DEPLOY / "compose.yaml"), "config"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["services"].keys() == SERVICES.keys()


def test_every_variable_has_an_example() -> None:
    used = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert used == set(EXAMPLE)


def test_the_containers_have_valid_settings_and_time_to_drain(secrets: Path) -> None:
    assert set(GATEWAYS) == {"gateway-1", "gateway-2", "deliver"}
    for service in GATEWAYS.values():
        settings = settings_of(service, secrets)
        assert settings.public_url == "https://inbox.example.com"
        assert settings.trusted_proxies == (f"{EXAMPLE['CADDY_ADDRESS']}/32",)
        grace = int(service["stop_grace_period"].removesuffix("s"))
        assert grace > settings.drain_seconds + STOP_GRACE_SECONDS
        assert service["healthcheck"]["test"][:3] == ["CMD", "inbox-gateway", "healthcheck"]


def test_prometheus_finds_the_metrics_of_each_container(secrets: Path) -> None:
    scraped = (DEPLOY / "prometheus" / "prometheus.yaml").read_text()
    for name, service in GATEWAYS.items():
        assert f'"{name}:{settings_of(service, secrets).metrics_port}"' in scraped


def test_no_container_may_write_to_its_image_or_gain_a_privilege() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert "user" in service or name == "caddy", name


def test_only_the_gateway_reaches_the_store() -> None:
    assert FILE["networks"]["store"] == {"internal": True}
    assert {name for name, service in SERVICES.items() if "store" in service["networks"]} == {*GATEWAYS, "store"}
    assert SERVICES["store"]["networks"] == ["store"]
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]


def test_files_that_are_mounted_exist() -> None:
    for volume in SERVICES["caddy"]["volumes"]:
        source = volume.partition(":")[0]
        assert source in FILE["volumes"] or (DEPLOY / source).is_file()
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == FILE["secrets"].keys()


def test_caddys_file_is_that_of_another_machine_with_other_addresses() -> None:
    other = (DEPLOY / "caddy" / "Caddyfile").read_text().partition("\n\n")[2]
    changes = {
        "inbox.example.com {": "{$DOMAIN} {",
        "10.0.0.11:8000 10.0.0.12:8000": "gateway-1:8000 gateway-2:8000",
        "output file /var/log/caddy/inbox.log": "output stdout",
        "# stream_close_delay": "stream_close_delay",
    }
    for old, new in changes.items():
        assert old in other
        other = other.replace(old, new)
    assert (DEPLOY / "caddy" / "Caddyfile.compose").read_text().partition("\n\n")[2] == other
    assert {"gateway-1", "gateway-2"} < SERVICES.keys()


@pytest.mark.skipif(NewCaddy.binary() is None, reason="the image's version of Caddy is not installed: `make proxies`")
def test_the_version_of_the_image_accepts_caddys_file() -> None:
    binary = NewCaddy.binary()
    assert binary is not None
    command = [binary, "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "caddy" / "Caddyfile.compose")]
    done = subprocess.run(
        command, env={**os.environ, "DOMAIN": EXAMPLE["DOMAIN"]}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_valkey_and_the_gateway_start_with_these_commands_and_secrets(secrets: Path, tmp_path: Path) -> None:
    data, port = tmp_path / "valkey", free_port()
    data.mkdir()
    places = {"/run/secrets": str(secrets), "/data": str(data)}
    arguments = list(map(str, SERVICES["store"]["command"]))[1:]
    for old, new in places.items():
        arguments = [argument.replace(old, new) for argument in arguments]
    command = [str(valkey_binary()), *arguments, "--port", str(port), "--bind", "127.0.0.1"]
    url = (secrets / "redis-url").read_text().strip()
    assert url.endswith("@store:6379/0")
    here = url.replace("store:6379", f"127.0.0.1:{port}")
    (secrets / "redis-url").write_text(here)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process, redis.Redis.from_url(here) as client:
        try:
            wait_for(lambda: answers(client), "Valkey to answer")
            expected = {"appendonly": "yes", "save": "", "maxmemory": str(2**30), "maxmemory-policy": "noeviction"}
            assert {name: client.config_get(name)[name] for name in expected} == expected
            environment = {
                name: str(text).replace("/run/secrets", str(secrets))
                for name, text in GATEWAYS["gateway-1"]["environment"].items()
            } | {"INBOX_METRICS_PORT": str(free_port())}
            with running_gateway(tmp_path / "data", **environment) as gateway:
                assert gateway.stop() == 0
        finally:
            process.kill()


def answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
