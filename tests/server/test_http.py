"""HTTP/1.1 on real sockets: requests in any split into packets, and one response for each request."""

import asyncio
import contextlib
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway.server.http import MAX_AWAITED_BYTES
from tests.live.node import running_node
from tests.server.http_requests import (
    PING,
    UPGRADES,
    WEBSOCKET,
    conversation,
    read_head,
    read_response,
    request,
    sending,
    statuses,
)
from tests.servers import ADMIN, Gateway, RedisServer, user_headers

STALL_SECONDS = 0.3
"""The time that nine of ten requests to `/healthz` may take meanwhile. They take milliseconds on an idle machine; the
faults behind these tests took 0.8 to 9 seconds."""

ATTACK_SECONDS = 1.0


def cuts(data: bytes, kind: str) -> list[bytes]:
    """Split bytes into packets."""
    head = data.index(b"\r\n\r\n") + 4
    match kind:
        case "one packet":
            return [data]
        case "head and body":
            return [data[:head], data[head:]]
        case "inside the head":
            return [data[:20], data[20 : head - 3], data[head - 3 : head + 1], data[head + 1 :]]
    return [data[at : at + 1] for at in range(len(data))]


PACKETS = pytest.mark.parametrize("packets", ["one packet", "head and body", "inside the head", "bytes"])

# ---- requests with an Upgrade that is ignored

EACH_UPGRADE = pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)


@EACH_UPGRADE
@PACKETS
def test_the_body_of_a_request_with_an_upgrade_is_read_and_the_next_request_is_served(
    gateway: Gateway, user: str, upgrade: dict[str, str], packets: str
) -> None:
    sent_bytes = request("POST", "/notifications", {**ADMIN, **upgrade}, sending(user)) + PING
    assert statuses(gateway, cuts(sent_bytes, packets), ["POST", "GET"], pause=0.0002) == [201, 200]


@EACH_UPGRADE
def test_requests_after_a_get_with_an_upgrade_are_served(gateway: Gateway, upgrade: dict[str, str]) -> None:
    sent_bytes = request("GET", "/healthz", upgrade) * 3 + PING
    assert statuses(gateway, [sent_bytes], ["GET"] * 4) == [200] * 4
    chunked = request("POST", "/nowhere", {**upgrade, "Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n0\r\nX: y\r\n\r\n")
    assert statuses(gateway, [chunked + PING], ["POST", "GET"]) == [404, 200]


@EACH_UPGRADE
@PACKETS
def test_bytes_of_a_body_that_look_like_a_request_are_not_served(
    gateway: Gateway, upgrade: dict[str, str], packets: str
) -> None:
    hidden = request("GET", "/metrics") + request("DELETE", "/healthz")
    sent_bytes = request("POST", "/nowhere", upgrade, hidden) + PING
    assert statuses(gateway, cuts(sent_bytes, packets), ["POST", "GET"], pause=0.0002) == [404, 200]


@pytest.mark.parametrize(
    "framing", [{"Content-Length": "5"}, {"Transfer-Encoding": "chunked"}], ids=lambda of: next(iter(of))
)
@pytest.mark.parametrize("path", ["/realtime/ws", "/realtime/sse", "/healthz"])
def test_a_websocket_handshake_with_a_body_is_an_ordinary_request(
    gateway: Gateway, framing: dict[str, str], path: str
) -> None:
    body = b"5\r\nhello\r\n0\r\n\r\n" if "Transfer-Encoding" in framing else b"hello"
    sent_bytes = request("GET", path, {**WEBSOCKET, **framing}, body)
    if path == "/realtime/sse":
        assert statuses(gateway, [sent_bytes], ["GET"]) == [401]
    else:
        assert statuses(gateway, [sent_bytes + PING], ["GET", "GET"]) == [426 if path == "/realtime/ws" else 200, 200]


def test_a_websocket_handshake_on_another_path_gets_404_and_the_connection_goes_on(gateway: Gateway) -> None:
    for path in ("/healthz", "/realtime/sse", "/nowhere"):
        assert statuses(gateway, [request("GET", path, WEBSOCKET) + PING], ["GET", "GET"]) == [404, 200]


# ---- where requests end

GET = "GET /healthz HTTP/1.1\r\nHost: a\r\n"
POST = "POST /healthz HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    "length and chunks": POST + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "the same length twice": POST + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a signed length": POST + "Content-Length: +5\r\n\r\nhello",
    "chunked is not last": POST + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a folded header": GET + "X: a\r\n b\r\n\r\n",
    "a space before the colon": GET + "Content-Length : 5\r\n\r\nhello",
    "a null in a header": GET + "X: a\0b\r\n\r\n",
    "a bare line feed": "GET /healthz HTTP/1.1\nHost: a\n\n",
    "a bare line feed in a header": GET + "X: a\nY: b\r\n\r\n",
    "a bare carriage return": GET + "X: a\rY: b\r\n\r\n",
    "no host": "GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": GET + "Host: a\r\n\r\n",
    "HTTP/0.9": "GET /healthz\r\n",
    "HTTP/0.9 in a long line": "GET /healthz\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a chunk too large for any number": CHUNKED + "FFFFFFFFFFFFFFFFF\r\n",
    "a chunk longer than its size": CHUNKED + "1\r\nabc\r\n0\r\n\r\n",
    "a chunk that ends with a line feed": CHUNKED + "1\na\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("sent_bytes", REFUSED.values(), ids=REFUSED)
def test_an_ambiguous_request_is_refused_and_ends_the_connection(gateway: Gateway, sent_bytes: str) -> None:
    for parts in ([sent_bytes.encode("latin-1") + PING], [bytes([byte]) for byte in sent_bytes.encode("latin-1")]):
        with conversation(gateway) as peer:
            for part in parts:
                peer.send(part)
            response = read_response(peer)
            if response.status == 405:  # the response comes before the body is read, which then ends the connection
                assert peer.next_response(lambda _: "") is None
                continue
            assert response.status == 400, response
            assert response.headers["connection"] == "close"
            assert json.loads(response.body)["errors"][0]["code"] == "malformed_request"
            assert peer.next_response(lambda _: "") is None, "the request behind it was served"


def test_requests_after_the_last_response_are_not_served(gateway: Gateway, user: str) -> None:
    last = request("GET", "/healthz", {"Connection": "close"})
    write = request("POST", "/notifications", ADMIN, sending(user))
    assert statuses(gateway, [last + write], ["GET"]) == [200]
    assert statuses(gateway, [request("GET", "/healthz", version="1.0") + write], ["GET"]) == [200]
    listed = httpx.get(f"{gateway.url}/notifications", headers=user_headers(user)).json()
    assert listed["notifications"] == []


def test_many_requests_in_one_packet_get_responses_in_their_order(gateway: Gateway) -> None:
    with conversation(gateway) as peer:
        peer.send(b"".join(request("GET", f"/nowhere/{number}") for number in range(500)))
        for number in range(500):
            message = json.loads(read_response(peer).body)["errors"][0]["message"]
            assert message == f"No route GET /nowhere/{number}"


def test_large_bodies_follow_each_other_on_one_connection(gateway: Gateway, user: str) -> None:
    body = sending(user, "x" * 100) + b" " * 400_000
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(body[at : at + 9000]), body[at : at + 9000]) for at in range(0, len(body), 9000)
    )
    chunked = request("POST", "/notifications", {**ADMIN, "Transfer-Encoding": "chunked"}, chunks + b"0\r\n\r\n")
    with conversation(gateway) as peer:
        for sent_bytes in [request("POST", "/notifications", ADMIN, body), chunked] * 5:
            peer.send(sent_bytes)
            assert read_response(peer, "POST").status == 201


def test_a_client_that_half_closes_still_receives_every_response(gateway: Gateway) -> None:
    with conversation(gateway) as peer:
        peer.send(PING * 20 + b"GET /half")
        peer.finish()
        for _ in range(20):
            assert read_response(peer).status == 200
        assert peer.next_response(lambda _: "GET") is None


def test_a_client_that_sends_a_large_ignored_body_receives_the_response(gateway: Gateway) -> None:
    with conversation(gateway) as peer:
        peer.send(request("POST", "/nowhere", {"Content-Length": "12000000"}))
        for _ in range(12):
            if not peer.send(b"x" * 1_000_000):
                break
        response = read_response(peer, "POST")
        assert (response.status, response.headers["connection"]) == (404, "close")


def test_a_small_ignored_body_does_not_end_the_connection(gateway: Gateway) -> None:
    chunks = request("POST", "/nowhere", {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n" * 100 + b"0\r\n\r\n")
    plain = request("POST", "/nowhere", None, b"x" * 10_000)
    for sent_bytes in (chunks, plain):
        half = len(sent_bytes) // 2
        assert statuses(gateway, [sent_bytes[:half], sent_bytes[half:] + PING], ["POST", "GET"], pause=0.05) == [
            404,
            200,
        ]


# ---- 100 Continue (RFC 9110, section 10.1.1)

EXPECT = {"Expect": "100-continue"}


def test_a_client_that_expects_continue_receives_it_when_the_body_is_read(gateway: Gateway, user: str) -> None:
    body = sending(user)
    with conversation(gateway) as peer:
        for _ in range(2):
            peer.send(request("POST", "/notifications", {**ADMIN, **EXPECT, "Content-Length": str(len(body))}))
            interim = read_head(peer)
            assert (interim.status, interim.headers) == (100, {})
            peer.send(body)
            assert read_head(peer).status == 201
            peer.received = b""
            peer.send(b"")


def test_a_client_that_sends_its_body_without_waiting_receives_no_continue(gateway: Gateway, user: str) -> None:
    with conversation(gateway) as peer:
        peer.send(request("POST", "/notifications", {**ADMIN, **EXPECT}, sending(user)) + PING)
        assert read_head(peer).status == 201


def test_a_refused_expectation_ends_the_connection(gateway: Gateway) -> None:
    with conversation(gateway) as peer:
        peer.send(request("POST", "/nowhere", {**EXPECT, "Content-Length": "5"}))
        response = read_response(peer, "POST")
        assert (response.status, response.headers["connection"]) == (404, "close")
        peer.send(PING)
        assert peer.next_response(lambda _: "GET") is None


@pytest.mark.parametrize(
    "sent_bytes", [request("GET", "/healthz", EXPECT), request("POST", "/nowhere", EXPECT, b"", "1.0")]
)
def test_no_continue_is_sent_without_a_body_or_in_http_1_0(gateway: Gateway, sent_bytes: bytes) -> None:
    with conversation(gateway) as peer:
        peer.send(sent_bytes)
        assert read_head(peer).status in (200, 404)


# ---- trailers

CREDENTIALS = "".join(f"{name}: {value}\r\n" for name, value in ADMIN.items()).encode()


def test_a_trailer_does_not_become_a_header(gateway: Gateway, user: str) -> None:
    body = sending(user)
    chunk = b"%x\r\n%b\r\n" % (len(body), body)
    sent_bytes = request("POST", "/notifications", {"Transfer-Encoding": "chunked", "Trailer": ", ".join(ADMIN)}, chunk)
    for trailers in (CREDENTIALS, b"X-MAGICBELL-API-KEY: test-api-key\r\n", b"Content-Length: 500\r\nHost: b\r\n"):
        for step in (len(sent_bytes) + 500, 3):
            data = sent_bytes + b"0\r\n" + trailers + b"\r\n" + PING
            parts = [data[at : at + step] for at in range(0, len(data), step)]
            refused, well = statuses(gateway, parts, ["POST", "GET"], pause=0)
            assert refused in (401, 404)
            assert well == 200
    accepted = request("POST", "/notifications", {**ADMIN, "Transfer-Encoding": "chunked"}, chunk)
    assert statuses(gateway, [accepted + b"0\r\nX: y\r\n\r\n" + PING], ["POST", "GET"]) == [201, 200]


# ---- work that grows with small units

BEGINNING = request("POST", "/notifications", {**ADMIN, "Transfer-Encoding": "chunked"})
IGNORED = request("POST", "/nowhere", {"Transfer-Encoding": "chunked"})

ATTACKS = {
    "a byte a chunk": (BEGINNING, b"1\r\n \r\n"),
    "an ignored body of a byte a chunk": (IGNORED, b"1\r\n \r\n"),
    "long extensions": (BEGINNING, b"1;" + b"x" * 900 + b"\r\n \r\n"),
    "an endless trailer": (BEGINNING + b"0\r\nX: ", b"x" * 1000),
    "trailers without end": (BEGINNING + b"0\r\n", b"X: y\r\n"),
    "ignored trailers": (IGNORED + b"0\r\n", b"X: y\r\n"),
    "an endless size": (BEGINNING, b"0"),
    "headers without end": (b"GET /healthz HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n"),
    "an endless header": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", b"x" * 1000),
    "empty lines": (b"", b"\r\n"),
    "requests without end": (b"", PING),
    "garbage": (b"", b"\xff\0\r\n"),
}


@pytest.mark.parametrize(("beginning", "again"), ATTACKS.values(), ids=ATTACKS)
def test_peers_that_send_many_small_units_do_not_delay_other_clients(
    gateway: Gateway, beginning: bytes, again: bytes
) -> None:
    (worker,) = gateway.children("worker")
    megabyte = again * (1_000_000 // len(again))

    def attack(until: float) -> None:
        with conversation(gateway) as peer, contextlib.suppress(TimeoutError):
            peer.sock.settimeout(ATTACK_SECONDS)
            goes_on = peer.send(beginning)
            while goes_on and time.monotonic() < until:
                goes_on = peer.send(megabyte)

    before = resident_bytes(worker)
    waited = []
    with ThreadPoolExecutor(4) as threads, conversation(gateway) as other:
        attacks = [threads.submit(attack, time.monotonic() + ATTACK_SECONDS) for _ in range(4)]
        while not all(attack.done() for attack in attacks):
            started = time.monotonic()
            other.send(PING)
            assert read_response(other).status == 200
            waited.append(time.monotonic() - started)
            time.sleep(0.005)
    assert sorted(waited)[len(waited) * 9 // 10] < STALL_SECONDS
    assert resident_bytes(worker) - before < 60_000_000
    assert "Traceback" not in gateway.log


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_trailers_that_are_too_large_are_refused(gateway: Gateway) -> None:
    with conversation(gateway) as peer:
        peer.send(BEGINNING + b"0\r\nX: " + b"x" * 9000)
        response = read_response(peer, "POST")
        assert (response.status, response.headers["connection"]) == (431, "close")


def test_more_than_a_hundred_headers_are_refused(gateway: Gateway) -> None:
    with conversation(gateway) as peer:
        peer.send(request("GET", "/healthz", {f"X-{number}": "" for number in range(100)}))
        assert read_response(peer).status == 431


# ---- the two ways to an operation


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("POST", "/notifications", ADMIN, sending("two-ways")),
        ("POST", "/notifications", ADMIN, b'{"notification":{"titel":"x"}}'),
        ("POST", "/notifications", ADMIN, b"{"),
        ("POST", "/notifications", {}, sending("two-ways")),
        ("GET", "/notifications", user_headers("two-ways"), b""),
        ("GET", "/notifications?per_page=0&x=1", user_headers("two-ways"), b""),
        ("POST", "/notifications/read", user_headers("two-ways"), b""),
        ("POST", "/notifications/42/read", user_headers("two-ways"), b"null"),
        ("GET", "/realtime/events", user_headers("two-ways"), b""),
        ("GET", "/config", user_headers("two-ways"), b""),
    ],
)
def test_the_response_is_the_same_through_the_application(
    gateway: Gateway, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    # The application normalizes a path with two slashes, and the ingress leaves it to the application.
    with conversation(gateway) as peer:
        found = []
        for way in (path, "/" + path):
            peer.send(request(method, way, headers, body))
            response = read_response(peer, method)
            found.append((response.status, sorted(response.headers), _without_ids(response.body)))
    assert found[0] == found[1]


def _without_ids(body: bytes) -> bytes:
    return re.sub(rb'"(id|sent_at)":("[0-9a-f-]{36}"|\d+)', b"", body)


# ---- small bodies in a second packet


def test_a_small_body_in_pieces_is_one_request_and_a_pipelined_request_follows(gateway: Gateway, user: str) -> None:
    whole = request("POST", "/notifications", ADMIN, sending(user))
    head, _, body = whole.partition(b"\r\n\r\n")
    with conversation(gateway) as peer:
        for piece in (head, b"\r\n\r\n", body[:1], body[1:7], body[7:] + PING):
            peer.send(piece)
            time.sleep(0.02)
        assert read_response(peer, "POST").status == 201
        assert read_response(peer, "GET").status == 200


def test_a_small_body_larger_than_a_piece_that_is_waited_for_is_read_too(gateway: Gateway, user: str) -> None:
    body = sending(user).removesuffix(b"}") + b" " * MAX_AWAITED_BYTES + b"}"
    with conversation(gateway) as peer:
        peer.send(request("POST", "/notifications", {**ADMIN, "Content-Length": str(len(body))}) + body[:9])
        time.sleep(0.02)
        peer.send(body[9:])
        assert read_response(peer, "POST").status == 201


async def test_a_connection_ends_when_a_body_does_not_come_whatever_the_response_is(
    node_store: RedisServer, tmp_path: Path
) -> None:
    async with running_node(node_store, tmp_path, INBOX_BODY_SECONDS="0.1") as node:
        for secret, status in ((ADMIN["X-MAGICBELL-API-SECRET"], 408), ("wrong", 401)):
            reader, writer = await asyncio.open_connection("127.0.0.1", node.gateway.port)
            headers = {**ADMIN, "X-MAGICBELL-API-SECRET": secret, "Content-Length": "99"}
            writer.write(request("POST", "/notifications", headers, b"{"))
            response = await asyncio.wait_for(reader.read(), 4)  # until the end
            assert response.startswith(b"HTTP/1.1 %d " % status)
            writer.close()
