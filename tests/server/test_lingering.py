"""Closing a connection whose client may still be sending."""

import asyncio
import time

import pytest

from gateway.server import lingering
from gateway.server.lingering import LINGERING_PAUSE_SECONDS, LingeringClose
from gateway.server.uvicorn_internals import HoldableFlowControl
from tests.server.sockets import connected, received


async def test_the_client_receives_the_end_while_its_bytes_are_discarded() -> None:
    async with connected() as (transport, peer):
        closing = LingeringClose(transport, HoldableFlowControl(transport))
        closing.begin()
        assert await received(peer) == b""
        peer.sendall(b"more")
        closing.discard(4)
        assert not transport.is_closing()


async def test_reading_pauses_after_each_read() -> None:
    async with connected() as (transport, _):
        flow = HoldableFlowControl(transport)
        closing = LingeringClose(transport, flow)
        closing.begin()
        closing.discard(4)
        assert flow.held
        started = time.monotonic()
        async with asyncio.timeout(10):
            while flow.held:
                await asyncio.sleep(0)
        assert time.monotonic() - started > LINGERING_PAUSE_SECONDS / 2


async def test_a_client_that_sends_too_much_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "MAX_LINGERING_BYTES", 10)
    async with connected() as (transport, _):
        closing = LingeringClose(transport, HoldableFlowControl(transport))
        closing.begin()
        closing.discard(10)
        assert not transport.is_closing()
        closing.discard(1)
        assert transport.is_closing()
