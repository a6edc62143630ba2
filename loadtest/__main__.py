"""Measure what a delivered event and an idle connection cost: `python -m loadtest --help`.

The gateway is started for the measurement with a worker of its own. CPU is what the operating system accounts to the
worker process between the first and the last delivery; memory is its resident set before and after the connections.
Server and clients are pinned to different cores where there are two.
"""

import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import httpx
import uvloop

from loadtest.clients import TRANSPORTS, Client, Target

API_KEY, API_SECRET = "loadtest", "loadtest-secret-of-a-decent-length"
CONNECTS_AT_ONCE = 100


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_kb(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


def _child(pid: int, name: str) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return next(int(child) for child in children if name in Path(f"/proc/{child}/cmdline").read_text())


async def _connect(target: Target, kind: type[Client], names: list[str]) -> list[Client]:
    loop = asyncio.get_running_loop()
    slots = asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def one(name: str) -> Client:
        async with slots:
            _, client = await loop.create_connection(lambda: kind(target, name), target.host, target.port)
            await asyncio.wait_for(client.ready, 30)
            return client

    return list(await asyncio.gather(*map(one, names)))


async def _measure(
    target: Target, pids: dict[str, int], transport: str, connections: int, messages: int
) -> dict[str, Any]:
    kind = TRANSPORTS[transport]
    # Warm-up: imports, caches and the allocator's arenas are not what a connection costs.
    warm = await _connect(target, kind, [f"warm{number}" for number in range(200)])
    before = _resident_kb(pids["worker"])
    started, cpu = time.perf_counter(), _cpu_seconds(pids["worker"])
    idle = await _connect(target, kind, [f"idle{number}" for number in range(connections)])
    connect_seconds, connect_cpu = time.perf_counter() - started, _cpu_seconds(pids["worker"]) - cpu
    await asyncio.sleep(1)
    memory = (_resident_kb(pids["worker"]) - before) / connections

    crowd = await _connect(target, kind, ["crowd"] * connections)
    admin = {"X-MAGICBELL-API-KEY": target.api_key, "X-MAGICBELL-API-SECRET": target.api_secret}
    body = {"notification": {"title": "t" * 40, "content": "c" * 60, "recipients": [{"external_id": "crowd"}]}}
    async with httpx.AsyncClient(base_url=f"http://{target.host}:{target.port}", headers=admin) as http:
        (await http.post("/notifications", json=body)).raise_for_status()
        cpu, started = _cpu_seconds(pids["worker"]), time.perf_counter()
        for number in range(messages):
            (await http.post("/notifications", json=body)).raise_for_status()
            while any(client.events < number + 2 for client in crowd):
                await asyncio.sleep(0.002)
    spent = _cpu_seconds(pids["worker"]) - cpu
    return {
        "transport": transport,
        "connections": connections,
        "cpu_us_per_delivery": round(spent / (messages * connections) * 1e6, 2),
        "wall_us_per_delivery": round((time.perf_counter() - started) / (messages * connections) * 1e6, 2),
        "kb_per_idle_connection": round(memory, 2),
        "connects_per_second": round(connections / connect_seconds),
        "cpu_us_per_connect": round(connect_cpu / connections * 1e6),
        "lost": sum(messages + 1 - client.events for client in crowd),
        "wrong_order": sum(client.wrong for client in [*warm, *idle, *crowd]),
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--transport", "transports", multiple=True, type=click.Choice(list(TRANSPORTS)), help="Default: both.")
@click.option("--connections", default=4000, show_default=True)
@click.option("--messages", default=50, show_default=True)
def main(transports: tuple[str, ...], connections: int, messages: int) -> None:
    """Print one JSON object per transport; exit with 1 if an event was lost or out of order."""
    failed = False
    for transport in transports or tuple(TRANSPORTS):
        result = _run(transport, connections, messages)
        failed |= bool(result["lost"] or result["wrong_order"])
        click.echo(json.dumps(result))
    sys.exit(1 if failed else 0)


def _run(transport: str, connections: int, messages: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        port = 18000 + os.getpid() % 1000
        environment = {
            **os.environ,
            "INBOX_PORT": str(port),
            "INBOX_DATA_DIR": f"{directory}/data",
            "INBOX_BOOTSTRAP_API_KEY": API_KEY,
            "INBOX_BOOTSTRAP_API_SECRET": API_SECRET,
            "INBOX_BOOTSTRAP_HMAC_ENABLED": "true",
            "INBOX_MAX_CONNECTIONS_PER_USER": str(connections),
            "INBOX_ACCESS_LOG": "false",
            "INBOX_RATE_LIMIT_READS": "0",
            "INBOX_RATE_LIMIT_WRITES": "0",
            "INBOX_DRAIN_SECONDS": "0",
        }
        server = subprocess.Popen([sys.executable, "-m", "gateway", "serve"], env=environment)
        try:
            _wait_until_ready(port)
            pids = {"worker": _child(server.pid, "worker")}
            cores = sorted(os.sched_getaffinity(0))
            if len(cores) > 1:
                os.sched_setaffinity(pids["worker"], {cores[0]})
                os.sched_setaffinity(0, set(cores[1:]))
            target = Target("127.0.0.1", port, API_KEY, API_SECRET)
            result = uvloop.run(_measure(target, pids, transport, connections, messages))
            os.sched_setaffinity(0, set(cores))
            return {**result, "python": platform.python_version(), "machine": platform.machine(), "cores": len(cores)}
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit("the gateway did not get ready")


if __name__ == "__main__":
    main()
