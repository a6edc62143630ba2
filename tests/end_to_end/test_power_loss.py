"""Power loss: the files of the bundled Valkey end in zeros or within a command.

Files of secrets are complete or absent.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from gateway.store import keys
from tests.end_to_end.test_cli import refusal, run
from tests.end_to_end.test_faults import client_of
from tests.live.clients import epoch, items, open_inbox, send
from tests.servers import ADMIN, Gateway, running_gateway, wait_for

BASE, INCREMENT = "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof"


@pytest.fixture
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Yield a directory with a short name, because it contains a Unix socket."""
    return tmp_path_factory.mktemp("p") / "data"


def files_of(data_dir: Path) -> Path:
    return data_dir / "valkey" / "appendonlydir"


def lose_power(gateway: Gateway) -> None:
    """Kill the gateway and its Valkey at once."""
    (valkey,) = gateway.children("valkey")
    os.kill(valkey, signal.SIGKILL)
    gateway.stop(signal.SIGKILL)


def append_zeros(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(4096))


def cut_within_a_command(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 7)


@pytest.mark.parametrize(("damage", "durability"), [(append_zeros, "memory"), (cut_within_a_command, "disk")])
async def test_a_damaged_end_of_a_file_is_cut_off_and_clients_receive_a_reset(
    data_dir: Path, user: str, damage: Callable[[Path], None], durability: str
) -> None:
    with running_gateway(data_dir, INBOX_DURABILITY=durability) as gateway:
        async with client_of(gateway) as http, open_inbox("websocket", gateway, user) as inbox:
            kept = await send(http, user)
            last = (await inbox.next())["position"]
        for _ in range(3):
            async with client_of(gateway) as http:
                await send(http, f"{user}-other")
        lose_power(gateway)
        damaged = files_of(data_dir) / INCREMENT
        damage(damaged)
        before = damaged.read_bytes()
        gateway.start()
        async with client_of(gateway) as http:
            assert kept in [item["id"] for item in await items(http, user)]
            async with open_inbox("websocket", gateway, user, since=last) as inbox:
                await send(http, user)
                reset = await inbox.next()
                assert (reset["type"], reset["reason"]) == ("reset", "epoch_changed")
                assert epoch(reset["position"]) != epoch(last)
        (line,) = (line for line in gateway.log.splitlines() if "append_only_file_repaired" in line)
        logged = json.loads(line)
        (kept_file,) = files_of(data_dir).glob("*.damaged-*")
        assert (str(kept_file), kept_file.read_bytes()) == (logged["kept"], before)
        assert logged["cut_bytes"] > 0
        assert f"{logged['cut_bytes']} bytes were cut off" in logged["message"]


def damage_the_middle(data_dir: Path) -> None:
    path = files_of(data_dir) / INCREMENT
    content = path.read_bytes()
    begin = content.index(b"\r\n*", len(content) // 2)
    path.write_bytes(content[:begin] + bytes(100) + content[begin + 100 :])


def cut_the_base(data_dir: Path) -> None:
    os.truncate(files_of(data_dir) / BASE, 20)


def remove_the_base(data_dir: Path) -> None:
    (files_of(data_dir) / BASE).unlink()


def remove_the_increment(data_dir: Path) -> None:
    (files_of(data_dir) / INCREMENT).unlink()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory with data."""
    directory = tmp_path_factory.mktemp("p") / "data"
    assert run("project", "create", "Shop", data_dir=directory).returncode == 0
    return directory


@pytest.mark.parametrize("damage", [damage_the_middle, cut_the_base, remove_the_base, remove_the_increment])
def test_a_damage_that_cannot_be_repaired_is_reported_with_the_steps_and_nothing_is_changed(
    stored: Path, data_dir: Path, damage: Callable[[Path], None]
) -> None:
    subprocess.run(["cp", "-r", stored, data_dir], timeout=60, check=True)
    damage(data_dir)
    before = {path.name: path.read_bytes() for path in files_of(data_dir).iterdir()}
    error = refusal(run("project", "list", data_dir=data_dir))
    assert f"Restore {files_of(data_dir)} from a backup" in error
    assert {path.name: path.read_bytes() for path in files_of(data_dir).iterdir()} == before
    served = run("serve", "--port", "0", data_dir=data_dir)
    assert served.returncode == 1
    last = json.loads(served.stderr.splitlines()[-1])
    assert (last["level"], last["event"]) == ("critical", "cannot_go_on")
    assert f"Restore {files_of(data_dir)} from a backup" in last["message"]


async def test_clients_receive_a_reset_after_a_damage_was_repaired_by_hand(data_dir: Path, user: str) -> None:
    with running_gateway(data_dir, INBOX_DURABILITY="disk") as gateway:
        async with client_of(gateway) as http, open_inbox("websocket", gateway, user) as inbox:
            await send(http, user)
            last = (await inbox.next())["position"]
        lose_power(gateway)
        path = files_of(data_dir) / INCREMENT
        content = path.read_bytes()
        path.write_bytes(content + b"\0" + content)
        run("doctor", data_dir=data_dir)
        os.truncate(path, len(content))
        gateway.start()
        async with client_of(gateway) as http, open_inbox("websocket", gateway, user, since=last) as inbox:
            await send(http, user)
            assert ((await inbox.next())["type"]) == "reset"


def test_a_lost_manifest_is_written_again(stored: Path, data_dir: Path) -> None:
    subprocess.run(["cp", "-r", stored, data_dir], timeout=60, check=True)
    (files_of(data_dir) / "appendonly.aof.manifest").unlink()
    assert "Shop" in run("project", "list", data_dir=data_dir).stdout


def test_a_damage_that_is_found_while_the_gateway_serves_ends_it(stored: Path, data_dir: Path) -> None:
    subprocess.run(["cp", "-r", stored, data_dir], timeout=60, check=True)
    with running_gateway(data_dir) as gateway:
        remove_the_base(data_dir)
        (valkey,) = gateway.children("valkey")
        os.kill(valkey, signal.SIGKILL)
        assert gateway.process is not None
        assert gateway.process.wait(30) == 1
        gateway.process = None
        assert f"Restore {files_of(data_dir)} from a backup" in gateway.log


# ---- secrets


@pytest.mark.parametrize(
    "content", [b"", b"short", bytes(43), b"\xff" * 43, b"two words and more than thirty-two letters"]
)
def test_an_empty_or_damaged_secret_key_is_refused_with_the_reason(tmp_path: Path, content: bytes) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "secret.key").write_bytes(content)
    for command in (("serve", "--port", "0"), ("project", "list")):
        error = refusal(run(*command, data_dir=data_dir))
        assert re.match(f"inbox-gateway: {data_dir}/secret.key is (empty or )?damaged", error)
    assert (data_dir / "secret.key").read_bytes() == content


START_TOGETHER = """
import sys, time
from pathlib import Path
from gateway.cli.configuration import with_secret_key
from gateway.settings import load_settings
settings = load_settings({"INBOX_DATA_DIR": sys.argv[1], "INBOX_REDIS_URL": "redis://localhost"})
print("ready", flush=True)
sys.stdin.readline()
print(with_secret_key(settings).secret_key)
"""


def test_processes_that_start_together_share_one_secret_key(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", START_TOGETHER, str(tmp_path / "data")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=30)[0].strip() for process in processes}
    assert len(keys) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret.key"]


def test_a_second_gateway_on_a_data_directory_is_refused(gateway: Gateway) -> None:
    error = refusal(run("serve", "--port", "0", data_dir=gateway.data_dir))
    assert f"another gateway uses {gateway.data_dir}" in error
    assert gateway.ready()
    wait_for(gateway.ready, "the gateway to be ready")


async def test_a_killed_valkey_that_is_full_starts_again_and_its_data_has_another_generation(
    data_dir: Path, user: str
) -> None:
    with running_gateway(data_dir, INBOX_VALKEY_MEMORY_MB="16") as gateway:
        async with client_of(gateway) as http:
            kept = await send(http, user)
            body = {"notification": {"title": "x", "content": "y" * 60_000, "recipients": [{"external_id": "other"}]}}
            await fill(http, body)
            before = generation(data_dir)
            (valkey,) = gateway.children("valkey")
            os.kill(valkey, signal.SIGKILL)
            wait_for(lambda: generation(data_dir) not in ("", before), "another generation", 30)
            assert kept in [item["id"] for item in await items(http, user)]
            await fill(http, body)  # the limit is still in force


async def fill(http: httpx.AsyncClient, body: dict[str, Any]) -> None:
    """Send until the store is full."""
    status = 201
    while status == 201:
        status = (await http.post("/notifications", headers=ADMIN, json=body)).status_code
    assert status in (503, 507)


def generation(data_dir: Path) -> str:
    """Return the generation of the stored data, "" while the store does not reply."""
    with redis.Redis(unix_socket_path=str(data_dir / "valkey" / "valkey.sock"), decode_responses=True) as client:
        try:
            return str(client.get(keys.GENERATION) or "none")
        except redis.RedisError:
            return ""
