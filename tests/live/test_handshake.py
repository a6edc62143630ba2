"""Reading opening requests, and the limits for requests that a client does not finish."""

import asyncio
import contextlib
from pathlib import Path

import httpx
import pytest

from gateway.domain.principal import Credentials
from gateway.live.handshake import read_handshake
from tests.servers import ADMIN, Gateway, running_gateway


def test_credentials_come_from_headers() -> None:
    headers = {"x-magicbell-api-key": "k", "x-magicbell-user-email": "a@b.c", "authorization": "bearer t"}
    assert read_handshake(headers, "").credentials == Credentials(api_key="k", email="a@b.c", token="t")


def test_credentials_come_from_the_query() -> None:
    query = "api_key=k&user_external_id=joe%20d&user_hmac=a%2Bb%3D&token="
    assert read_handshake({}, query).credentials == Credentials(api_key="k", external_id="joe d", hmac="a+b=")


def test_a_header_takes_precedence_over_the_query() -> None:
    assert read_handshake({"x-magicbell-api-key": "header"}, "api_key=query").credentials.api_key == "header"


def test_an_api_secret_is_never_read_from_a_query() -> None:
    assert read_handshake({}, "api_secret=s").credentials == Credentials()


def test_the_last_event_id_takes_precedence_over_since() -> None:
    assert read_handshake({"last-event-id": "e.2"}, "since=e.1").since == "e.2"
    assert read_handshake({}, "since=e.1").since == "e.1"


@pytest.mark.parametrize(
    "name", ["lastEventId", "lastEventID", "LastEventId", "lasteventid", "Last-Event-ID", "last_event_id"]
)
def test_a_last_event_id_in_the_query_takes_precedence_over_since(name: str) -> None:
    assert read_handshake({}, f"{name}=e.2").since == "e.2"
    assert read_handshake({}, f"since=e.1&{name}=e.2").since == "e.2"
    assert read_handshake({}, f"since=e.1&{name}=").since == "e.1"
    assert read_handshake({"last-event-id": "e.3"}, f"since=e.1&{name}=e.2").since == "e.3"


def test_a_plus_in_an_hmac_or_email_need_not_be_escaped() -> None:
    assert read_handshake({}, "user_hmac=a+b%2Bc/%3D").credentials.hmac == "a+b+c/="
    assert read_handshake({}, "user_email=%20ada+shop@example.com").credentials.email == "ada+shop@example.com"
    assert read_handshake({}, "user_external_id=ada+b%2B").credentials.external_id == "ada b+", "an id may have both"


@pytest.mark.parametrize("query", ["&".join(f"a{number}=1" for number in range(100)), "%", "=", "a=%ff", "&&"])
def test_a_query_that_cannot_be_parsed_has_no_credentials(query: str) -> None:
    assert read_handshake({}, query).credentials == Credentials()


async def test_an_endless_request_head_is_refused(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nX-Long: ")
    # The gateway may refuse it before all of it is sent, which resets the connection.
    with contextlib.suppress(ConnectionError):
        for _ in range(64):
            writer.write(b"x" * 65536)
            await writer.drain()
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            assert (await reader.read(100)).startswith(b"HTTP/1.1 431 ")
            while await reader.read(65536):
                pass
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_large_request_head_is_accepted(http: httpx.AsyncClient) -> None:
    response = await http.get("/healthz", headers={"X-Long": "x" * 30_000})
    assert response.status_code == 200


async def closed_within(reader: asyncio.StreamReader, seconds: float) -> bytes:
    """Read until the server closes the connection. Return the data, b"" if it was reset."""
    async with asyncio.timeout(seconds):
        with contextlib.suppress(ConnectionError):
            return await reader.read()
    return b""


async def test_a_client_that_does_not_finish_its_request_is_disconnected_in_time(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "data", INBOX_AUTHENTICATION_SECONDS="0.5", INBOX_BODY_SECONDS="0.5") as gateway:
        for beginning in (b"", b"GET /healthz HTT"):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(beginning)
            assert await closed_within(reader, 3) == b""
            writer.close()

        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        credentials = "".join(f"{name}: {value}\r\n" for name, value in ADMIN.items())
        writer.write(f"POST /notifications HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n{credentials}\r\n{{".encode())
        response = await closed_within(reader, 3)
        assert response.startswith(b"HTTP/1.1 408 ")
        assert b"request_timeout" in response
        writer.close()


async def test_a_client_that_continues_to_send_its_body_after_the_response_is_disconnected_in_time(
    tmp_path: Path,
) -> None:
    with running_gateway(tmp_path / "data", INBOX_BODY_SECONDS="0.5") as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{")
        response = await reader.readuntil(b"\r\n\r\n")
        assert response.startswith(b"HTTP/1.1 404 ")

        async def trickle() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as tasks:
            trickling = tasks.create_task(trickle())
            await closed_within(reader, 3)
            trickling.cancel()
        writer.close()
