"""A project is exported, and imported into another store with another secret key: it responds as before."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from click.testing import CliRunner, Result

from gateway.cli import cli
from tests.end_to_end.test_erasure import NAMES, SECRET_KEY, use_everything
from tests.golden.data import read_all
from tests.servers import ADMIN, API_KEY, RedisServer, running_gateway, running_redis, user_headers, user_hmac

OTHER_KEY = "another secret key of 32 characters"

ME = user_headers(str(NAMES["external_id"]))

OF_USER = (
    *("/notifications", "/v2/notifications", "/v2/channels/user_preferences", "/subscriptions"),
    "/v2/channels/mobile_push/apns/tokens",
)
OF_PROJECT = (
    *("/v2/users?external_id=grace-7f3e", "/v2/users?email=grace@erased.example.com", "/v2/webhooks/endpoints"),
    *("/v2/channels/deliveryconfig", "/v2/jwt/user/external_id:grace-7f3e", "/v2/integrations/smtp"),
)

Run = Callable[..., Result]


def runner(server: RedisServer, secret_key: str, directory: Path) -> Run:
    """Return a function that runs `inbox-gateway project` on a store, in this process."""
    environment = {"INBOX_REDIS_URL": server.url, "INBOX_DATA_DIR": str(directory), "INBOX_SECRET_KEY": secret_key}

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["project", *arguments], env=environment)

    return run


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisServer, RedisServer]]:
    with (
        running_redis("valkey", tmp_path_factory.mktemp("from")) as source,
        running_redis("valkey", tmp_path_factory.mktemp("to")) as target,
    ):
        yield source, target


def read(http: httpx.Client) -> dict[str, Any]:
    found = {path: http.get(path, headers=ME).raise_for_status().json() for path in OF_USER}
    found |= {path: http.get(path, headers=ADMIN).raise_for_status().json() for path in OF_PROJECT}
    document = http.get("/v2/users/external_id:grace-7f3e/export", headers=ADMIN).raise_for_status().json()
    assert len(document["notifications"]) > 1
    assert all(document[name] for name in ("preferences", "subscriptions", "channel_tokens", "tokens", "installations"))
    found |= {name: value for name, value in document.items() if name not in ("exported_at", "events")}
    # The ids of the project and of integrations, which contain it, are others, and users were seen meanwhile.
    changing = r'"id": "00000000-[^"]+"|"project_id": \d+|"last_seen_at": [^,}]+'
    return {path: re.sub(changing, "", json.dumps(value, sort_keys=True)) for path, value in found.items()}


def test_an_imported_project_responds_as_the_exported_one(
    servers: tuple[RedisServer, RedisServer], tmp_path: Path
) -> None:
    source, target = servers
    file, passphrase = str(tmp_path / "shop.export"), tmp_path / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    out, into = runner(source, SECRET_KEY, tmp_path / "a"), runner(target, OTHER_KEY, tmp_path / "b")
    directory = tmp_path / "one"
    with (
        running_gateway(directory, INBOX_REDIS_URL=source.url, INBOX_SECRET_KEY=SECRET_KEY) as gateway,
        httpx.Client(base_url=gateway.url, timeout=30, headers=ADMIN) as http,
    ):
        use_everything(http)
        endpoint = {"url": "https://shop.example.com/hook", "event_types": ["notification.read"]}
        made = http.post("/v2/webhooks/endpoints", json=endpoint).raise_for_status().json()
        before = read(http)
        position = http.get("/notifications", headers=ME).headers["X-Inbox-Position"]
        done = out("export", API_KEY, file, "--passphrase-file", str(passphrase))
        assert (done.exit_code, done.stdout) == (0, ""), done.output
        again = out("import", file, "--passphrase-file", str(passphrase))
        assert again.stderr.splitlines()[-1].startswith(f"Error: a project has the key {API_KEY}")
        copied = out("import", file, "--new-keys")
        assert copied.exit_code == 0, copied.stderr
        _assert_works(http, copied.stdout)
    # Another project of the target has taken the id.
    assert into("create", "Another").exit_code == 0
    passphrase.write_text("another passphrase\n")
    wrong = into("import", file, "--passphrase-file", str(passphrase))
    assert "the passphrase is not the one" in str(wrong.exception)
    passphrase.write_text("correct horse battery staple\n")
    done = into("import", file, "--passphrase-file", str(passphrase))
    assert done.exit_code == 0, done.stderr
    assert "api secret" not in done.stdout
    with (
        running_gateway(tmp_path / "two", INBOX_REDIS_URL=target.url, INBOX_SECRET_KEY=OTHER_KEY) as gateway,
        httpx.Client(base_url=gateway.url, timeout=30) as http,
    ):
        assert read(http) == before
        pulled = http.get("/realtime/events", headers=ME, params={"since": position}).json()
        assert pulled["events"] == []
        secret = http.get(f"/v2/webhooks/endpoints/{made['id']}", headers=ADMIN).json()
        assert secret["id"] == made["id"]
        assert "cannot_be_decrypted" not in gateway.log
    with redis.Redis(port=target.port) as admin:
        kinds = {re.sub(r".*\}", "", entry["key"]) for entry in read_all(admin) if "{3" in entry["key"]}
    assert not {kind for kind in kinds if re.match(r":(log|outbox|job|idempotency|sent|events:type)", kind)} - {
        ":events:type:406"
    }


def _assert_works(http: httpx.Client, printed: str) -> None:
    """Check that the project with these new keys has the users of the file, by its own secret."""
    keys = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in printed.splitlines())
    name = str(NAMES["external_id"])
    own = {
        "X-MAGICBELL-API-KEY": keys["api key"],
        "X-MAGICBELL-USER-EXTERNAL-ID": name,
        "X-MAGICBELL-USER-HMAC": user_hmac(name, keys["api secret"]),
    }
    found = httpx.get(f"{http.base_url}/notifications", headers=own, timeout=30).raise_for_status().json()
    assert found["total"] == http.get("/notifications", headers=ME).json()["total"] > 0
