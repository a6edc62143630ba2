"""Parsing byte streams in clients."""

from loadtest.clients import Address, SseClient
from loadtest.journal import EventJournal, payload


class _Transport:
    """A transport that discards writes."""

    def write(self, data: bytes) -> None:
        """Discard the data."""


def fed(*pieces: bytes) -> SseClient:
    journal = EventJournal()
    journal.open("ada", 0.0)
    client = SseClient("ada", Address("127.0.0.1", 1, b""), journal)
    client.first_number = 0
    client.transport = _Transport()  # type: ignore[assignment] # the only method that is called
    client.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
    for piece in pieces:
        client.data_received(piece)
    return client


async def test_a_comment_without_an_empty_line_is_a_heartbeat() -> None:
    client = fed(b": heartbeat\n", b": hear", b"tbeat\n")
    assert client.heartbeats == 2


async def test_an_event_after_heartbeats_is_complete() -> None:
    client = fed(b": heartbeat\nevent: x\nda", b"ta: " + payload(0) + b"\n\n: heartbeat\n")
    assert client.seen == [0]
    assert client.heartbeats == 2


async def test_comments_that_are_records_and_chunks_are_heartbeats_too() -> None:
    client = fed(b"c\r\n: ping\r\n\r\n\r\n", b"c\r\n: ping\r\n\r\n\r\n")
    assert client.heartbeats == 2
