"""A server that drops, doubles or reorders one event for one connection is found out, whatever server it is."""

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
from tests.loadtest.faulty_server import LIES, TRUTH, Liar
from tests.loadtest.runs import Run, at_once, run
from tests.servers import wait_for

FAULT = {"drop": {"lost": 1}, "double": {"doubled": 1}, "reorder": {"reordered": 1}}


@contextlib.contextmanager
def serving(lie: str) -> Iterator[int]:
    port = free_port_pair()
    process = subprocess.Popen([sys.executable, "-m", "tests.loadtest.faulty_server", str(port), lie], cwd=ROOT)

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


def against(lie: str, transport: str, out: Path) -> Run:
    with serving(lie) as port:
        url = f"plain=http://127.0.0.1:{port}"
        return run(out, "--only", "fanout", "--no-gateway", "--transport", transport, "--url", url)


TOLD = {"drop": "websocket", "double": "sse", "reorder": "websocket", TRUTH: "sse"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Run]]]:
    """A run against a server for each lie, and one against an honest one."""
    out = tmp_path_factory.mktemp("liars")
    with at_once({lie: partial(against, lie, TOLD[lie], out / lie) for lie in TOLD}) as begun:
        yield begun


@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies_once_fails_the_run(lie: str, runs: dict[str, Future[Run]]) -> None:
    done = runs[lie].result()
    assert done.exit_code == 1
    assert done.faults == FAULT[lie], done.printed
    assert "FAILED" in done.printed


def test_a_server_that_does_not_lie_passes(runs: dict[str, Future[Run]]) -> None:
    done = runs[TRUTH].result()
    assert done.exit_code == 0, done.printed
    assert done.faults == {}


def lying(kind: type[Target]) -> type[Target]:
    """Give a target of which three clients are lied to, each in another way."""

    class Lying(kind):  # type: ignore[misc, valid-type] # whichever it is
        keeps_inbox = False  # a peer then, which takes part in what all take part in

        def make(self, transport: str) -> Make:
            make: Make = super().make(transport)
            lies = iter(LIES)

            def make_and_lie(user: str, journal: EventJournal | None) -> Client:
                client = make(user, journal)
                liar: Liar[bytes] = Liar(next(lies, TRUTH))
                receive = client.received

                def received(message: bytes) -> None:
                    for told in [message] if mark_of(message) is None else liar.tell(message):
                        receive(told)

                client.received = received  # type: ignore[method-assign] # which is the lie
                return client

            return make_and_lie

    return Lying


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
async def test_every_kind_of_server_is_found_out(kind: type[Target], transport: str) -> None:
    liar = Entrant(kind.name, lying(kind), required=True)
    bench = Bench(TINY, Cores.divide(), (transport,), [liar], with_gateway=False, floors=())
    await fanout.run(bench)
    (row,) = bench.rows
    assert row["faults"]["lost"] == 1
    assert row["faults"]["doubled"] == 1
    # Others have no positions: events that are under way at once are in no order.
    assert row["faults"]["reordered"] >= (kind is GatewayTarget)
    assert bench.failed
