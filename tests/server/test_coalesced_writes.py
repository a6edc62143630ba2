"""Writes that leave the process together."""

import asyncio

import pytest

from gateway.server.coalesced_writes import CoalescedWrites
from tests.server.sockets import connected, received


async def test_writes_of_one_iteration_are_one_write_to_the_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected() as (transport, peer):
        output, written = CoalescedWrites(transport, transport.close), list[bytes]()
        write = transport.write

        def record(data: bytes) -> None:
            written.append(bytes(data))
            write(data)

        monkeypatch.setattr(transport, "write", record, raising=False)
        output.write(b"head ")
        output.write(b"body")
        assert written == []
        await asyncio.sleep(0)
        assert written == [b"head body"]
        assert await received(peer) == b"head body"


async def test_close_passes_on_the_writes_and_reports_once() -> None:
    async with connected() as (transport, peer):
        closed = list[bool]()
        output = CoalescedWrites(transport, lambda: closed.append(True))
        output.write(b"last")
        assert not output.is_closing()
        output.close()
        output.close()
        assert closed == [True]
        assert output.is_closing()
        output.write(b"too late")
        await asyncio.sleep(0)
        transport.close()
        assert await received(peer) == b"last"
        assert await received(peer) == b""


async def test_discard_drops_the_writes() -> None:
    async with connected() as (transport, peer):
        output = CoalescedWrites(transport, transport.close)
        output.write(b"never")
        output.discard()
        output.write(b"neither")
        await asyncio.sleep(0)
        transport.close()
        assert await received(peer) == b""


async def test_information_about_the_socket_is_that_of_the_transport() -> None:
    async with connected() as (transport, peer):
        output = CoalescedWrites(transport, transport.close)
        assert output.get_extra_info("peername") == peer.getsockname()
        assert output.get_extra_info("nothing", "default") == "default"
