"""The defaults of a gateway on an external Redis, and the configurations with which it does not start."""

import contextlib
import datetime
import ipaddress
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.end_to_end.test_cli import UNSET, fields, refusal, run
from tests.servers import (
    ADMIN,
    API_KEY,
    Gateway,
    RedisServer,
    free_port,
    running_gateway,
    running_redis,
    wait_for,
)

SECRET_KEY = "shared-by-all-nodes"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis("valkey", tmp_path_factory.mktemp("r")) as started:
        yield started


@pytest.fixture
def environment(server: RedisServer) -> dict[str, str]:
    """Return the settings of a node on an empty Redis."""
    with redis.Redis(port=server.port) as client:
        client.flushall()
    return {"INBOX_REDIS_URL": server.url, "INBOX_SECRET_KEY": SECRET_KEY}


def printed(environment: dict[str, str], *arguments: str) -> str:
    """Run a command that must succeed, and return its output."""
    done = run(*arguments, data_dir=None, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused_start(data_dir: Path, environment: dict[str, str]) -> str:
    """Return the last line of a refused start."""
    done = run("serve", "--port", "0", data_dir=data_dir, **environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def status(gateway: Gateway, headers: dict[str, str]) -> int:
    body = {"notification": {"title": "Hello", "recipients": [{"external_id": "ada"}]}}
    return httpx.post(f"{gateway.url}/notifications", headers=headers, json=body).status_code


def test_a_node_on_an_external_redis_creates_no_project_and_names_the_command(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    for name in ("a", "b"):
        with running_gateway(tmp_path / name, **UNSET, **environment) as gateway:
            assert "inbox-gateway project create NAME" in gateway.log
            assert "api_secret" not in gateway.log
    assert printed(environment, "project", "list") == ""
    assert not list(tmp_path.glob("*/demo-project*"))


def test_changes_to_a_bootstrap_project_survive_a_restart(tmp_path: Path, environment: dict[str, str]) -> None:
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


def test_a_bootstrap_project_requires_hmacs_by_default(tmp_path: Path, environment: dict[str, str]) -> None:
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
    reason = "encrypted with another secret key: set INBOX_SECRET_KEY"
    assert reason in refused_start(tmp_path / "data", other)
    for command in (("project", "create", "Second"), ("token", "--workspace")):
        assert reason in refusal(run(*command, data_dir=tmp_path / "data", **other))
    if with_project:
        rotated = fields(printed(other, "project", "rotate-secret", created["api key"], "--lost-secret-key"))
        assert rotated["api secret"] != created["api secret"]
        assert refusal(run("project", "create", "Second", data_dir=None, **environment))
        assert "api secret" in printed(other, "project", "create", "Second")


class Ipv6Gateway(Gateway):
    """A gateway that listens on ::1 only."""

    @property
    def url(self) -> str:
        return f"http://[::1]:{self.port}"


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield a gateway with the bundled Valkey, on IPv6, with the service links of Kubernetes in its environment."""
    links = {
        "INBOX_SERVICE_HOST": "10.96.3.7",
        "INBOX_REDIS_PORT": "tcp://10.96.3.8:6379",
        "INBOX_PORT_8000_TCP_ADDR": "10.96.3.7",
    }
    environment = links | {"INBOX_HOST": "::1", "INBOX_VALKEY_MEMORY_MB": "64"}
    gateway = Ipv6Gateway(tmp_path_factory.mktemp("b") / "data", environment)
    gateway.start()
    yield gateway
    gateway.stop(signal.SIGKILL)


def test_an_ipv6_address_is_printed_in_brackets(bundled: Gateway) -> None:
    wait_for(lambda: f"serves at http://[::1]:{bundled.port}\n" in bundled.log, "the banner")


def test_ignored_service_links_are_logged_once(bundled: Gateway) -> None:
    assert bundled.log.count('"service_links_ignored"') == 1
    (line,) = [line for line in bundled.log.splitlines() if "service_links_ignored" in line]
    assert '["INBOX_PORT_8000_TCP_ADDR", "INBOX_REDIS_PORT", "INBOX_SERVICE_HOST"]' in line


def test_the_bundled_valkey_has_a_memory_limit_and_evicts_nothing(bundled: Gateway) -> None:
    with redis.Redis(unix_socket_path=str(bundled.data_dir / "valkey" / "valkey.sock")) as client:
        info: dict[str, Any] = client.info("memory")
    assert (info["maxmemory"], info["maxmemory_policy"]) == (64 * 1024 * 1024, "noeviction")


def test_a_health_check_uses_the_address_on_which_the_gateway_listens(bundled: Gateway) -> None:
    own = {"INBOX_HOST": "::1", "INBOX_PORT": str(bundled.port)}
    assert printed(own, "healthcheck", "--ready") == "ok\n"
    done = run("healthcheck", data_dir=None, **own | {"INBOX_HOST": "127.0.0.1"})
    assert done.returncode == 1
    assert done.stderr == (
        f"http://127.0.0.1:{bundled.port}/healthz does not respond: Connection refused. INBOX_HOST and INBOX_PORT must "
        "be those of the gateway\n"
    )


def test_a_start_logs_the_problems_of_the_server(tmp_path: Path, environment: dict[str, str]) -> None:
    with running_gateway(tmp_path / "data", **environment) as gateway:
        (line,) = [line for line in gateway.log.splitlines() if "store_finding" in line]
        assert "NO append-only file" in line


def test_a_start_whose_user_lacks_a_permission_is_refused(
    tmp_path: Path, server: RedisServer, environment: dict[str, str]
) -> None:
    with redis.Redis(port=server.port) as client:
        client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", "~*", "&*", "+@all", "-xadd")
    limited = environment | {"INBOX_REDIS_URL": f"redis://limited:pw@127.0.0.1:{server.port}"}
    assert "refuses: the user lacks +xadd" in refused_start(tmp_path / "data", limited)


# ---- doctor


def examined(environment: dict[str, str], *options: str) -> tuple[int, str]:
    """Run the doctor, and return its exit code and its output."""
    production = {
        "INBOX_PUBLIC_URL": "https://inbox.example.com",
        "INBOX_ALLOWED_ORIGINS": "https://app.example.com",
        "INBOX_ADMIN_PORT": "8001",
    }
    done = run("doctor", "--offline", *options, data_dir=None, **production | environment)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.fixture
def durable(server: RedisServer, environment: dict[str, str]) -> Iterator[redis.Redis]:
    """Yield a client of the server with an append-only file, and restore the configuration afterwards."""
    with redis.Redis(port=server.port) as client:
        client.config_set("appendonly", "yes")
        client.config_set("maxmemory", "1gb")
        yield client
        for name, value in (("appendonly", "no"), ("maxmemory", "0"), ("maxmemory-policy", "noeviction")):
            client.config_set(name, value)


def test_the_doctor_finds_no_problem_with_an_external_redis(durable: redis.Redis, environment: dict[str, str]) -> None:
    printed(environment, "project", "create", "Shop")
    code, output = examined(environment)
    assert (code, output.splitlines()[-1]) == (0, "all well")


def test_the_doctor_names_projects_without_hmac(durable: redis.Redis, environment: dict[str, str]) -> None:
    open_one = fields(printed(environment, "project", "create", "Intranet", "--no-hmac"))
    code, output = examined(environment)
    assert f"hmac       WARNING: off for {open_one['api key']}" in output
    assert (code, output.splitlines()[-1]) == (0, "0 problems, 1 warning")
    assert examined(environment, "--strict")[0] == 1


def test_the_doctor_names_the_problems_of_the_server_and_its_data(
    durable: redis.Redis, environment: dict[str, str]
) -> None:
    printed(environment, "project", "create", "Shop")
    durable.config_set("appendonly", "no")
    durable.config_set("maxmemory", "1gb")
    durable.config_set("maxmemory-policy", "allkeys-lru")
    durable.hset("inbox:1:{projects}", "garbage-key", "{")
    code, output = examined(environment | {"INBOX_SECRET_KEY": "of-another-node-or-time"})
    assert "durability PROBLEM: NO append-only file" in output
    assert "used of 1,024 MB, allkeys-lru: it deletes inboxes when it is full" in output
    assert "projects   PROBLEM: garbage-key: the stored record is not a project" in output
    assert "secret key PROBLEM: another key encrypted the API secrets of key_" in output
    assert (code, output.splitlines()[-1]) == (1, "4 problems, 0 warnings")


def test_the_doctor_reports_a_foreign_secret_key_before_there_are_projects(
    durable: redis.Redis, environment: dict[str, str]
) -> None:
    assert printed(environment, "workspace", "list")
    code, output = examined(environment | {"INBOX_SECRET_KEY": "of-another-node-or-time"})
    assert "secret key PROBLEM: differs from that of the nodes that use this store" in output
    assert code == 1


def test_the_doctor_writes_no_secret_key(tmp_path: Path, durable: redis.Redis, environment: dict[str, str]) -> None:
    printed(environment, "project", "create", "Shop")
    environment = environment | {"INBOX_SECRET_KEY": "", "INBOX_DATA_DIR": str(tmp_path)}
    code, output = examined(environment)
    assert code == 1
    assert "secret key WARNING: INBOX_SECRET_KEY is not set" in output
    assert list(tmp_path.iterdir()) == []


# ---- a store that cannot be used is reported with the reason and without its password

PASSWORD = "hunter2-of-a-decent-length"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Yield a server whose password must be percent-encoded in an address."""
    with running_redis("valkey", tmp_path_factory.mktemp("g")) as started:
        with redis.Redis(port=started.port) as client:
            client.config_set("requirepass", f"{PASSWORD}/#?@[%")
        yield started


def test_a_percent_encoded_password_is_decoded(guarded: RedisServer) -> None:
    url = f"redis://:{quote(f'{PASSWORD}/#?@[%', safe='')}@127.0.0.1:{guarded.port}/1"
    assert "default" in printed({"INBOX_REDIS_URL": url, "INBOX_SECRET_KEY": SECRET_KEY}, "workspace", "list").lower()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://127.0.0.1:{port}", "(redis://127.0.0.1:{port}) refuses: Redis requires a password"),
        ("redis://:{password}@127.0.0.1:{port}", "refuses: Redis does not accept the gateway's user name or password"),
        ("redis://:{password}/#?@[%@127.0.0.1:{port}", "has a character in its password that must be encoded"),
        ("redis://:{password}%2F%23%3F%40%5B%25@127.0.0.1:{port}/99", "no database with the number"),
        ("redis+cluster://:{password}%2F%23%3F%40%5B%25@127.0.0.1:{port}", "cluster support disabled"),
        ("rediss://:{password}@127.0.0.1:{port}", "does not speak TLS"),
        ("redis+sentinel://:{password}@127.0.0.1:{port}/main", "none of these sentinels"),
        ("unix:///tmp/no-such-directory/redis.sock", "No such file or directory"),
        ("redis://:{password}@no-such-host.invalid", "(redis://no-such-host.invalid) cannot be used: "),
    ],
)
def test_a_store_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, guarded: RedisServer, url: str, reason: str
) -> None:
    url = url.format(password=PASSWORD, port=guarded.port)
    environment = {"INBOX_REDIS_URL": url, "INBOX_SECRET_KEY": SECRET_KEY, "INBOX_REDIS_TIMEOUT_SECONDS": "1"}
    output = refusal(run("project", "list", data_dir=tmp_path, **environment))
    assert reason.format(port=guarded.port) in output
    assert PASSWORD not in output


@pytest.mark.parametrize("kind", ["valkey", "redis"])
def test_a_missing_password_is_reported(tmp_path: Path, kind: str) -> None:
    with running_redis(kind, tmp_path, "--requirepass", PASSWORD) as server:
        environment = {"INBOX_REDIS_URL": server.url, "INBOX_SECRET_KEY": SECRET_KEY}
        reason = "refuses: Redis requires a password, and the gateway has none"
        assert reason in refusal(run("project", "list", data_dir=tmp_path / "data", **environment))
        found = run("doctor", data_dir=tmp_path / "data", **environment).stdout
        assert reason in found
        assert "1 problem, 2 warnings" in found


@pytest.mark.parametrize("listener", ["http", "silent"])
def test_a_server_that_is_not_redis_is_reported(tmp_path: Path, listener: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        if listener == "http":
            threading.Thread(target=_respond_as_http, args=(sock,), daemon=True).start()
        environment = {"INBOX_REDIS_URL": f"redis://127.0.0.1:{sock.getsockname()[1]}", "INBOX_SECRET_KEY": SECRET_KEY}
        environment["INBOX_REDIS_TIMEOUT_SECONDS"] = "0.5"
        output = refusal(run("project", "list", data_dir=tmp_path, **environment))
    assert ("the server does not speak the Redis protocol" if listener == "http" else "no reply in time") in output


def _respond_as_http(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = sock.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + signed.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("", "its TLS certificate is not trusted: name the certificate authority with ?ssl_ca_certs=FILE"),
        ("?ssl_ca_certs={certificate}", "the server closed the connection"),
        ("?ssl_ca_certs=/no/such/file", "a file that INBOX_REDIS_URL names for TLS"),
        ("?ssl_ca_certs=/dev/null", "TLS"),
    ],
)
def test_problems_with_tls_are_reported(tmp_path: Path, certificate: Path, options: str, reason: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        threading.Thread(target=_close_after_tls, args=(sock, context), daemon=True).start()
        url = f"rediss://127.0.0.1:{sock.getsockname()[1]}{options.format(certificate=certificate)}"
        environment = {"INBOX_REDIS_URL": url, "INBOX_SECRET_KEY": SECRET_KEY}
        output = refusal(run("project", "list", data_dir=tmp_path, **environment))
    assert reason in output


def _close_after_tls(sock: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = sock.accept()
        except OSError:
            return
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(4096)


def test_a_node_of_a_cluster_is_reported(tmp_path: Path) -> None:
    bus = str(free_port())
    with running_redis("valkey", tmp_path, "--cluster-enabled", "yes", "--cluster-port", bus) as node:
        environment = {"INBOX_REDIS_URL": node.url, "INBOX_SECRET_KEY": SECRET_KEY}
        code, output = examined(environment)
    assert code == 2
    assert "role       PROBLEM: a node of a cluster\n           → write redis+cluster://" in output


def test_a_start_with_a_wrong_password_fails_at_once(tmp_path: Path, guarded: RedisServer) -> None:
    environment = {"INBOX_REDIS_URL": f"redis://127.0.0.1:{guarded.port}", "INBOX_SECRET_KEY": SECRET_KEY}
    started = time.monotonic()
    assert "Redis requires a password" in refused_start(tmp_path / "data", environment)
    assert time.monotonic() - started < 20
