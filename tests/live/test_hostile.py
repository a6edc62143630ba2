"""Many hostile peers at once: the memory of the worker stays bounded, and other inboxes are not affected."""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from websockets.frames import Frame, Opcode

from gateway.live.deadlines import CLOSE_SECONDS
from tests.live.clients import (
    TRANSPORTS,
    Ended,
    RawWebSocket,
    open_inbox,
    open_raw_websocket,
    raw_socket,
    receive_until,
    send,
    send_request,
)
from tests.live.test_delivery import resident_bytes
from tests.servers import Gateway, running_gateway, user_headers

PEERS = 100
BYTES_PER_PEER = 150_000
"""The most memory that one of them may cost, including what the allocator keeps (0 to 113 KB were measured).

Each sends or requests more.
"""

BOMB = zlib.compress(b"\0" * 5_000_000, wbits=-15)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield a gateway with the default limits, except that one user may have all these connections."""
    directory: Path = tmp_path_factory.mktemp("attacked")
    with running_gateway(directory / "data", INBOX_MAX_CONNECTIONS_PER_USER="1000") as gateway:
        yield gateway


@contextlib.asynccontextmanager
async def unharmed(gateway: Gateway, user: str) -> AsyncIterator[None]:
    """Check that another user receives events after a block, that memory is bounded, and that nothing failed."""
    (worker,) = gateway.children("worker")
    bystander = f"{user}-bystander"
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=gateway.url, timeout=10))
        inboxes = [await stack.enter_async_context(open_inbox(each, gateway, bystander)) for each in TRANSPORTS]
        before = resident_bytes(worker)
        yield
        for _ in range(3):
            sent = await send(http, bystander)
            for inbox in inboxes:
                assert (await inbox.event())["data"]["id"] == sent
        assert (await http.get("/healthz")).status_code == 200
    assert resident_bytes(worker) - before < PEERS * BYTES_PER_PEER
    assert gateway.children("worker") == [worker]
    assert "Traceback" not in gateway.log


async def garbage(peer: RawWebSocket) -> None:
    await peer.send_bytes(b"\xff" * 300_000)


async def a_frame_of_2_to_the_63_bytes(peer: RawWebSocket) -> None:
    await peer.send_bytes(b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0" + b"x" * 300_000)


async def fragments_without_end(peer: RawWebSocket) -> None:
    await peer.send(Opcode.TEXT, b"", fin=False)
    await peer.send_bytes(Frame(Opcode.CONT, b"x" * 50, fin=False).serialize(mask=True) * 5_000)


async def ten_thousand_pings(peer: RawWebSocket) -> None:
    await peer.send_bytes(Frame(Opcode.PING, b"x" * 125).serialize(mask=True) * 10_000)


async def a_compressed_bomb(peer: RawWebSocket) -> None:
    frame = bytearray(Frame(Opcode.TEXT, BOMB).serialize(mask=True))
    frame[0] |= 0x40  # RSV1: compressed, which was not negotiated
    await peer.send_bytes(bytes(frame))


async def frames_of_a_reserved_opcode(peer: RawWebSocket) -> None:
    await peer.send_bytes(b"\x83\x80\0\0\0\0" * 10_000)


ATTACKS = [
    (garbage, 1002),
    (a_frame_of_2_to_the_63_bytes, 1009),
    (fragments_without_end, 4505),
    (ten_thousand_pings, 4505),
    (a_compressed_bomb, 1002),
    (frames_of_a_reserved_opcode, 1002),
]


@pytest.mark.parametrize(("attack", "code"), ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS])
async def test_peers_that_violate_the_protocol_are_closed_and_cost_no_memory(
    attacked: Gateway, user: str, attack: Callable[[RawWebSocket], Awaitable[None]], code: int
) -> None:
    async with unharmed(attacked, user), contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(open_raw_websocket(attacked, user)) for _ in range(PEERS)]
        for peer in peers:
            await peer.message()
            with contextlib.suppress(ConnectionError):  # the peer is disconnected while it still sends
                await attack(peer)
    async with open_raw_websocket(attacked, user) as peer:
        await peer.message()
        with contextlib.suppress(ConnectionError):
            await attack(peer)
        assert await closing_code(peer) in (code, None)


async def test_a_peer_that_continues_to_send_after_the_goodbye_gets_no_responses_and_is_disconnected(
    attacked: Gateway, user: str
) -> None:
    async with open_raw_websocket(attacked, user) as peer:
        await peer.message()
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            await ten_thousand_pings(peer)
        pongs = 0
        with contextlib.suppress(Ended):
            while True:
                pongs += (await peer.frame()).opcode is Opcode.PONG
        assert pongs < 5_000, "only pings in the same read as those before the goodbye get pongs"
        assert time.monotonic() - started < CLOSE_SECONDS, "the gateway does not wait for its close frame"


async def closing_code(peer: RawWebSocket) -> int | None:
    """Read up to the close frame and return its code, None for a peer that was disconnected while it sent."""
    with contextlib.suppress(Ended):
        while (frame := await peer.frame()).opcode is not Opcode.CLOSE:
            pass
        return int.from_bytes(bytes(frame.data)[:2])
    return None


async def test_handshakes_that_never_finish_cost_little(attacked: Gateway, user: str) -> None:
    async with unharmed(attacked, user), contextlib.AsyncExitStack() as stack:
        for number in range(3 * PEERS):
            sock = await stack.enter_async_context(raw_socket(attacked))
            beginning = (b"", b"G", b"GET /realtime/ws HTTP/1.1\r\nUpgrade: websocket\r\nX: " + b"x" * 30_000)[
                number % 3
            ]
            await asyncio.get_running_loop().sock_sendall(sock, beginning)


async def test_idle_connections_cost_little(attacked: Gateway, user: str) -> None:
    async with unharmed(attacked, user), contextlib.AsyncExitStack() as stack:
        for number in range(2 * PEERS):
            sock = await stack.enter_async_context(raw_socket(attacked))
            if number % 2:
                await send_request(sock, "/realtime/sse", user_headers(user))
                await receive_until(sock, b"}\n\n")
            else:
                peer = RawWebSocket(sock, attacked.websocket_url)
                await peer.shake_hands({})  # and sends no credentials


async def test_a_message_that_arrives_byte_by_byte_is_parsed_and_delays_no_other_peer(
    attacked: Gateway, user: str
) -> None:
    message = Frame(Opcode.TEXT, b'{"type":"ping"}').serialize(mask=True)
    async with unharmed(attacked, user), open_raw_websocket(attacked, user) as peer:
        await peer.message()
        for byte in message:
            await peer.send_bytes(bytes([byte]))
            await asyncio.sleep(0)
        assert await peer.message() == {"type": "pong"}


async def test_requests_of_peers_that_read_no_responses_are_not_all_read(attacked: Gateway, user: str) -> None:
    async with unharmed(attacked, user), contextlib.AsyncExitStack() as stack:
        socks = [await stack.enter_async_context(raw_socket(attacked, 4096)) for _ in range(20)]

        async def request_without_end(sock: object) -> None:
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(0.5):  # the kernel's buffers are full by then
                    while True:
                        await send_request(sock, "/openapi.json", {}, times=100)  # type: ignore[arg-type]

        await asyncio.gather(*map(request_without_end, socks))
