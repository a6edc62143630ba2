"""Whatever bytes come, from whomever: a clear answer, never our own trouble."""

import contextlib
import itertools
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from gateway.api.operations import OPERATIONS
from tests.servers import ADMIN, API_KEY, Gateway, user_headers

fuzzed = settings(
    max_examples=20,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
USER = "fuzzed"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(
    (
        *("notification", "broadcast", "import", "user", "users", "recipients", "title", "external_id", "email"),
        *("matches", "topic", "category", "custom_attributes", "notification_preferences", "categories", "expiry"),
    )
)
near_misses = st.recursive(
    json_values, lambda inner: st.dictionaries(names, inner | st.lists(inner, max_size=3), max_size=4), max_leaves=8
)
bodies = st.binary(max_size=200) | near_misses.map(lambda value: json.dumps(value).encode())
header_values = st.text(
    st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f", exclude_categories=["Cc", "Zs"]),
    min_size=1,
    max_size=80,
)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=10) as client:
        yield client


@pytest.fixture(autouse=True)
def _all_is_well_afterwards(gateway: Gateway) -> Iterator[None]:
    workers = gateway.children("worker")
    logged = gateway.log.count("Traceback")
    yield
    assert gateway.children("worker") == workers
    assert gateway.log.count("Traceback") == logged


def assert_clear(response: httpx.Response) -> None:
    assert response.status_code < 500 or response.status_code == 501, response.text
    if response.status_code >= 400 and response.content:
        assert response.json()["errors"]


WRITES = [
    (operation.method, operation.path) for operation in OPERATIONS if operation.method in ("POST", "PUT", "PATCH")
]


@fuzzed
@given(route=st.sampled_from(WRITES), body=bodies, filler=st.sampled_from(["x", "*", "external_id:fuzzed", "%00", "é"]))
@example(route=("POST", "/notifications"), body=b'{"notification":{"title":"\\ud800","recipients":[]}}', filler="x")
@example(route=("POST", "/notifications"), body=b"[" * 100_000, filler="x")
@example(route=("POST", "/imports"), body=b'{"import":{"users":[{"external_id":1e400}]}}', filler="x")
def test_any_body_gets_a_clear_answer(client: httpx.Client, route: tuple[str, str], body: bytes, filler: str) -> None:
    method, path = route
    filled = "/".join(filler if part.startswith("{") else part for part in path.split("/"))
    for headers in (ADMIN, user_headers(USER)):
        assert_clear(client.request(method, filled, content=body, headers=headers))


@fuzzed
@given(since=st.text(max_size=60) | st.from_regex(r"[a-z0-9]{0,9}\.-?\d{0,40}", fullmatch=True))
@example(since="a.99999999999999999999999999")
@example(since="\0.1")
@example(since="a.١")
def test_any_position_is_resumed_or_reset(client: httpx.Client, since: str) -> None:
    assert_clear(client.get("/realtime/events", params={"since": since}, headers=user_headers(USER)))
    with client.stream("GET", "/realtime/sse", params={"since": since}, headers=user_headers(USER)) as response:
        assert response.status_code == 200
        assert "event: ready" in itertools.islice(response.iter_lines(), 2)


@fuzzed
@given(key=header_values, external_id=header_values, proof=header_values, token=header_values)
@example(key=API_KEY, external_id="ÿ", proof="=", token="a.b.c")
@example(key=API_KEY, external_id=USER, proof="x", token="eyJhbGciOiJub25lIn0.e30.")
def test_any_credentials_are_refused(client: httpx.Client, key: str, external_id: str, proof: str, token: str) -> None:
    tried: list[dict[str, Any]] = [
        {"X-MAGICBELL-API-KEY": key, "X-MAGICBELL-API-SECRET": proof},
        {"X-MAGICBELL-API-KEY": key, "X-MAGICBELL-USER-EXTERNAL-ID": external_id, "X-MAGICBELL-USER-HMAC": proof},
        {"Authorization": f"Bearer {token}"},
        {"Authorization": token},
    ]
    for headers in tried:
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        for path in ("/notifications", "/realtime/events", "/realtime/sse"):
            response = client.get(path, headers=encoded)
            assert response.status_code in (400, 401, 403, 404), (path, headers, response.text)


def frame(first: int, data: bytes, masked: bool) -> bytes:
    """Build a frame, allowed or not; `first` is its first byte."""
    length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2)
    return bytes([first, length[0] | 0x80 * masked]) + length[1:] + b"\0\0\0\0" * masked + data


frames = st.builds(
    frame,
    st.sampled_from([0x81, 0x82, 0x89, 0x8A, 0x88, 0x01, 0x00, 0x80]) | st.integers(0, 255),
    st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()),
    st.just(value=True) | st.booleans(),
)


@fuzzed
@given(parts=st.lists(frames | st.binary(max_size=40), max_size=8), with_credentials=st.booleans())
@example(parts=[b"\x88\x81\0\0\0\0x"], with_credentials=True)  # a close with half a code
@example(parts=[b"\x88\x82\0\0\0\0\x03\xed"], with_credentials=True)  # a close with 1005
@example(parts=[b"\x81"], with_credentials=False)
def test_any_frames_leave_the_worker_well(gateway: Gateway, parts: list[bytes], with_credentials: bool) -> None:
    headers = user_headers(USER) if with_credentials else {}
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = (
        "GET /realtime/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{fields}\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), 5) as sock, contextlib.suppress(OSError):
        sock.sendall(request.encode())
        assert sock.recv(65536).startswith(b"HTTP/1.1 101 ")
        for part in parts:
            sock.sendall(part)
        sock.sendall(Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True))
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
