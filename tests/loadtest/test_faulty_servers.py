"""A server that drops, doubles or reorders one event for one connection is detected, for every kind of server."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest

from loadtest.bench import Bench, Entrant
from loadtest.clients import Client, Make
from loadtest.cores import Cores
from loadtest.journal import EventJournal, mark_of
from loadtest.machine import ROOT
from loadtest.scenarios import fanout
from loadtest.servers.starting import free_port_pair
from loadtest.sizes import TINY
from loadtest.targets.base import Target
from loadtest.targets.floor import FloorTarget
from loadtest.targets.gateway import GatewayTarget
from loadtest.targets.peers import StarletteTarget
from tests.loadtest.faulty_server import FAULTS, NO_FAULT, FaultyConnection
from tests.loadtest.runs import Run, at_once, run
from tests.servers import wait_for

FAULT = {"drop": {"lost": 1}, "double": {"doubled": 1}, "reorder": {"reordered": 1}}


@contextlib.contextmanager
def serving(fault: str) -> Iterator[int]:
    port = free_port_pair()
    process = subprocess.Popen([sys.executable, "-m", "tests.loadtest.faulty_server", str(port), fault], cwd=ROOT)

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        wait_for(listens, "the plain server to listen", 30)
        yield port
    finally:
        process.kill()
        process.wait()


def against(fault: str, transport: str, out: Path) -> Run:
    with serving(fault) as port:
        url = f"plain=http://127.0.0.1:{port}"
        return run(out, "--only", "fanout", "--no-gateway", "--transport", transport, "--url", url)


TRANSPORTS = {"drop": "websocket", "double": "sse", "reorder": "websocket", NO_FAULT: "sse"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Run]]]:
    """Yield a run against a server for each fault, and one against a correct server."""
    out = tmp_path_factory.mktemp("faulty")
    with at_once({fault: partial(against, fault, TRANSPORTS[fault], out / fault) for fault in TRANSPORTS}) as begun:
        yield begun


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_with_a_fault_fails_the_run(fault: str, runs: dict[str, Future[Run]]) -> None:
    done = runs[fault].result()
    assert done.exit_code == 1
    assert done.faults == FAULT[fault], done.printed
    assert "FAILED" in done.printed


def test_a_server_without_a_fault_passes(runs: dict[str, Future[Run]]) -> None:
    done = runs[NO_FAULT].result()
    assert done.exit_code == 0, done.printed
    assert done.faults == {}


def with_faulty_clients(kind: type[Target]) -> type[Target]:
    """Return a target with three faulty clients, one for each fault."""

    class Faulty(kind):  # type: ignore[misc, valid-type] # whichever it is
        keeps_inbox = False  # so it is a peer, which takes part in the scenarios of all servers

        def make(self, transport: str) -> Make:
            make: Make = super().make(transport)
            faults = iter(FAULTS)

            def make_faulty(user: str, journal: EventJournal | None) -> Client:
                client = make(user, journal)
                faulty: FaultyConnection[bytes] = FaultyConnection(next(faults, NO_FAULT))
                receive = client.received

                def received(message: bytes) -> None:
                    for sent in [message] if mark_of(message) is None else faulty.sent_for(message):
                        receive(sent)

                client.received = received  # type: ignore[method-assign] # which is the fault
                return client

            return make_faulty

    return Faulty


@pytest.mark.parametrize(
    ("kind", "transport"),
    [
        (GatewayTarget, "websocket"),
        (GatewayTarget, "sse"),
        (StarletteTarget, "websocket"),
        (StarletteTarget, "sse"),
        (FloorTarget, "raw"),
    ],
)
async def test_a_fault_of_every_kind_of_server_is_detected(kind: type[Target], transport: str) -> None:
    faulty = Entrant(kind.name, with_faulty_clients(kind), required=True)
    bench = Bench(TINY, Cores.divide(), (transport,), [faulty], with_gateway=False, floors=())
    await fanout.run(bench)
    (row,) = bench.rows
    assert row["faults"]["lost"] == 1
    assert row["faults"]["doubled"] == 1
    # Other servers have no positions, so concurrent events have no order.
    assert row["faults"]["reordered"] >= (kind is GatewayTarget)
    assert bench.failed
