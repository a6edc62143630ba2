"""HTTP/1.1 on the wire: which bytes are which request, whatever packets they come in, and one answer for each."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.fuzz.target import Answer, Conversation
from tests.live.clients import raw_socket, receive_until
from tests.servers import ADMIN, Gateway, user_headers

PATIENCE_SECONDS = 10.0
STALL_SECONDS = 0.3
"""What nine of ten may wait who ask for `/healthz` meanwhile. It is milliseconds on a machine that others do not keep
busy; the faults behind these tests took 0.8 to 9 seconds."""

ATTACK_SECONDS = 1.0


@contextlib.contextmanager
def conversation(gateway: Gateway) -> Iterator[Conversation]:
    """Connect for a block."""
    with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_SECONDS) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Conversation(sock)


def request(
    method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", version: str = "1.1"
) -> bytes:
    """Build a request; with a length if it has a body, unless the headers say otherwise."""
    headers = {"Host": "inbox", **(headers or {})}
    if body and "Transfer-Encoding" not in headers and "Content-Length" not in headers:
        headers["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/{version}\r\n{head}\r\n".encode("latin-1") + body


def sending(user: str, title: str = "Hello") -> bytes:
    """Build the body of a notification."""
    return json.dumps({"notification": {"title": title, "recipients": [{"external_id": user}]}}).encode()


PING = request("GET", "/healthz")


def statuses(gateway: Gateway, said: Sequence[bytes], methods: Sequence[str], pause: float = 0.002) -> list[int]:
    """Send packets; read an answer for each method, then check that nothing more comes."""
    with conversation(gateway) as peer:
        for number, part in enumerate(said):
            if number:
                time.sleep(pause)  # so that the gateway reads the packets one by one; it may not, which is allowed
            peer.say(part)
        answers = [answer_to(peer, method) for method in methods]
        peer.finish()
        assert peer.answer(lambda _: "GET") is None
    return [answer.status for answer in answers]


def answer_to(peer: Conversation, method: str = "GET") -> Answer:
    """Read the next answer."""
    answer = peer.answer(lambda _: method)
    assert answer is not None, "the connection ended"
    return answer


def cuts(data: bytes, kind: str) -> list[bytes]:
    """Cut bytes into packets."""
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

# ---- requests to upgrade that are not taken

UPGRADES = {
    "h2c": {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"},
    "h2c only": {"Connection": "Upgrade", "Upgrade": "h2c"},
    "TLS": {"Upgrade": "TLS/1.2", "connection": "keep-alive, upgrade"},
    "anything": {"Upgrade": "x", "Connection": "UPGRADE"},
    "websocket": {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
}
EACH_UPGRADE = pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
WEBSOCKET = {**UPGRADES["websocket"], "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


@EACH_UPGRADE
@PACKETS
def test_the_body_of_a_request_to_upgrade_is_read_and_the_next_request_too(
    gateway: Gateway, user: str, upgrade: dict[str, str], packets: str
) -> None:
    said = request("POST", "/notifications", {**ADMIN, **upgrade}, sending(user)) + PING
    assert statuses(gateway, cuts(said, packets), ["POST", "GET"], pause=0.0002) == [201, 200]


@EACH_UPGRADE
def test_what_follows_a_get_that_asks_for_an_upgrade_is_answered(gateway: Gateway, upgrade: dict[str, str]) -> None:
    said = request("GET", "/healthz", upgrade) * 3 + PING
    assert statuses(gateway, [said], ["GET"] * 4) == [200] * 4
    chunked = request("POST", "/nowhere", {**upgrade, "Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n0\r\nX: y\r\n\r\n")
    assert statuses(gateway, [chunked + PING], ["POST", "GET"]) == [404, 200]


@EACH_UPGRADE
@PACKETS
def test_a_request_in_a_body_is_no_request(gateway: Gateway, upgrade: dict[str, str], packets: str) -> None:
    hidden = request("GET", "/metrics") + request("DELETE", "/healthz")
    said = request("POST", "/nowhere", upgrade, hidden) + PING
    assert statuses(gateway, cuts(said, packets), ["POST", "GET"], pause=0.0002) == [404, 200]


@pytest.mark.parametrize(
    "framing", [{"Content-Length": "5"}, {"Transfer-Encoding": "chunked"}], ids=lambda of: next(iter(of))
)
@pytest.mark.parametrize("path", ["/realtime/ws", "/realtime/sse", "/healthz"])
def test_what_opens_a_websocket_has_no_body(gateway: Gateway, framing: dict[str, str], path: str) -> None:
    body = b"5\r\nhello\r\n0\r\n\r\n" if "Transfer-Encoding" in framing else b"hello"
    said = request("GET", path, {**WEBSOCKET, **framing}, body)
    if path == "/realtime/sse":
        assert statuses(gateway, [said], ["GET"]) == [401]
    else:
        assert statuses(gateway, [said + PING], ["GET", "GET"]) == [426 if path == "/realtime/ws" else 200, 200]


def test_who_opens_a_websocket_elsewhere_is_told_and_may_go_on(gateway: Gateway) -> None:
    for path in ("/healthz", "/realtime/sse", "/nowhere"):
        assert statuses(gateway, [request("GET", path, WEBSOCKET) + PING], ["GET", "GET"]) == [404, 200]


# ---- the live paths


@pytest.mark.parametrize("path", ["/realtime/ws", "/realtime/ws/", "/realtime//ws", "/realtime/ws?api_key=k"])
@pytest.mark.parametrize("headers", [{}, {"Upgrade": "websocket"}, UPGRADES["h2c"]], ids=["plain", "half", "h2c"])
def test_the_address_of_the_websocket_asks_for_an_upgrade(gateway: Gateway, path: str, headers: dict[str, str]) -> None:
    with conversation(gateway) as peer:
        for method in ("GET", "HEAD", "GET"):
            peer.say(request(method, path, headers))
            answer = answer_to(peer, method)
            assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")
            assert "upgrade" in answer.headers["connection"].lower()
            assert method == "HEAD" or json.loads(answer.body)["errors"][0]["code"] == "upgrade_required"


def test_http_1_0_has_no_websockets(gateway: Gateway) -> None:
    assert statuses(gateway, [request("GET", "/realtime/ws", WEBSOCKET, version="1.0")], ["GET"]) == [426]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_head_of_a_stream_is_that_of_the_stream(gateway: Gateway, user: str, version: str) -> None:
    with conversation(gateway) as peer:
        peer.say(request("HEAD", "/realtime/sse", user_headers(user), version=version))
        answer = answer_to_stream(peer)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert not peer.sock.recv(1)


def answer_to_stream(peer: Conversation) -> Answer:
    """Read the head of a stream."""
    while b"\r\n\r\n" not in peer.received:
        data = peer.sock.recv(65536)
        assert data, "the connection ended"
        peer.received += data
    head, _, peer.received = peer.received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return Answer(
        int(status.split(" ")[1]), {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines}, b""
    )


def test_the_head_of_a_refused_stream_is_that_of_the_refusal(gateway: Gateway, user: str) -> None:
    wrong = {**user_headers(user), "X-MAGICBELL-USER-HMAC": "wrong"}
    for headers in ({}, wrong):
        with conversation(gateway) as peer:
            peer.say(request("HEAD", "/realtime/sse", headers))
            assert answer_to(peer, "HEAD").status == 401
            assert peer.answer(lambda _: "HEAD") is None


async def test_a_head_leaves_no_stream_behind(
    strict_gateway: Gateway, strict_http: httpx.AsyncClient, user: str
) -> None:
    for _ in range(10):  # one user may have two
        answer = await strict_http.head("/realtime/sse", headers=user_headers(user))
        assert answer.status_code == 200
        await until_metric(strict_http, "inbox_subscribed_users", 0)


async def until_metric(http: httpx.AsyncClient, name: str, value: float) -> None:
    """Wait until a metric has a value, summed over its labels."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            lines = (await http.get("/metrics")).text.splitlines()
            found = [float(line.split(" ")[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
            if sum(found) == value:
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("before", [b"", PING, PING * 5, request("POST", "/nowhere", None, b"x" * 70_000)])
@pytest.mark.parametrize("base", ["", "http://inbox", "HTTPS://other:8443"])
async def test_a_stream_may_follow_other_requests_and_be_named_in_full(
    gateway: Gateway, user: str, before: bytes, base: str
) -> None:
    async with raw_socket(gateway) as sock:
        said = before + request("GET", f"{base}/realtime/sse", user_headers(user)) + PING * 3
        await asyncio.get_running_loop().sock_sendall(sock, said)
        received = await receive_until(sock, b"event: ready")
        heads = received.count(b"HTTP/1.1 ")
        assert heads == before.count(b" HTTP/1.1\r\n") + 1
        assert received.rindex(b"HTTP/1.1 200") == received.rindex(b"HTTP/1.1 ")
        assert b"event: ready" in received


@pytest.mark.parametrize("before", [b"", PING * 3])
@pytest.mark.parametrize("base", ["", "http://inbox"])
async def test_a_websocket_may_follow_other_requests_with_its_first_frames(
    gateway: Gateway, user: str, before: bytes, base: str
) -> None:
    async with raw_socket(gateway) as sock:
        ping = b"\x89\x83\0\0\0\0abc"
        said = before + request("GET", f"{base}/realtime/ws", {**WEBSOCKET, **user_headers(user)}) + ping
        await asyncio.get_running_loop().sock_sendall(sock, said)
        received = await receive_until(sock, b"\x8a\x03abc")
        assert received.count(b"HTTP/1.1 200 OK") == before.count(b" HTTP/1.1\r\n")
        assert received.count(b"HTTP/1.1 101 ") == 1


async def test_a_stream_behind_answers_that_nobody_reads_is_a_slow_reader_too(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with raw_socket(gateway, 4096) as sock:
        said = request("GET", "/openapi.json") * 40 + request("GET", "/realtime/sse", user_headers(user))
        await asyncio.get_running_loop().sock_sendall(sock, said)
        await until_metric(http, "inbox_subscribed_users", await subscribed(http))
        received = await receive_until(sock, b"event: ready")
        assert received.count(b"HTTP/1.1 200 ") == 41


async def subscribed(http: httpx.AsyncClient) -> float:
    """Read how many users are connected."""
    lines = (await http.get("/metrics")).text.splitlines()
    return next(float(line.split(" ")[1]) for line in lines if line.startswith("inbox_subscribed_users "))


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
    "a chunk longer than it says": CHUNKED + "1\r\nabc\r\n0\r\n\r\n",
    "a chunk that ends with a line feed": CHUNKED + "1\na\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("said", REFUSED.values(), ids=REFUSED)
def test_what_may_be_read_in_two_ways_is_refused_and_ends_the_connection(gateway: Gateway, said: str) -> None:
    for parts in ([said.encode("latin-1") + PING], [bytes([byte]) for byte in said.encode("latin-1")]):
        with conversation(gateway) as peer:
            for part in parts:
                peer.say(part)
            answer = answer_to(peer)
            if answer.status == 405:  # answered before its body was read, which then ends the connection
                assert peer.answer(lambda _: "") is None
                continue
            assert answer.status == 400, answer
            assert answer.headers["connection"] == "close"
            assert json.loads(answer.body)["errors"][0]["code"] == "malformed_request"
            assert peer.answer(lambda _: "") is None, "what follows is not answered"


def test_what_follows_the_last_answer_is_not_read(gateway: Gateway, user: str) -> None:
    last = request("GET", "/healthz", {"Connection": "close"})
    write = request("POST", "/notifications", ADMIN, sending(user))
    assert statuses(gateway, [last + write], ["GET"]) == [200]
    assert statuses(gateway, [request("GET", "/healthz", version="1.0") + write], ["GET"]) == [200]
    listed = httpx.get(f"{gateway.url}/notifications", headers=user_headers(user)).json()
    assert listed["notifications"] == []


def test_many_requests_in_one_packet_are_answered_in_their_order(gateway: Gateway) -> None:
    with conversation(gateway) as peer:
        peer.say(b"".join(request("GET", f"/nowhere/{number}") for number in range(500)))
        for number in range(500):
            message = json.loads(answer_to(peer).body)["errors"][0]["message"]
            assert message == f"No route GET /nowhere/{number}"


def test_large_bodies_follow_each_other_on_one_connection(gateway: Gateway, user: str) -> None:
    body = sending(user, "x" * 100) + b" " * 400_000
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(body[at : at + 9000]), body[at : at + 9000]) for at in range(0, len(body), 9000)
    )
    chunked = request("POST", "/notifications", {**ADMIN, "Transfer-Encoding": "chunked"}, chunks + b"0\r\n\r\n")
    with conversation(gateway) as peer:
        for said in [request("POST", "/notifications", ADMIN, body), chunked] * 5:
            peer.say(said)
            assert answer_to(peer, "POST").status == 201


def test_who_stops_sending_still_gets_every_answer(gateway: Gateway) -> None:
    with conversation(gateway) as peer:
        peer.say(PING * 20 + b"GET /half")
        peer.finish()
        for _ in range(20):
            assert answer_to(peer).status == 200
        assert peer.answer(lambda _: "GET") is None


def test_who_sends_much_that_nobody_wants_gets_the_answer_first(gateway: Gateway) -> None:
    with conversation(gateway) as peer:
        peer.say(request("POST", "/nowhere", {"Content-Length": "12000000"}))
        for _ in range(12):
            if not peer.say(b"x" * 1_000_000):
                break
        answer = answer_to(peer, "POST")
        assert (answer.status, answer.headers["connection"]) == (404, "close")


def test_a_small_body_that_nobody_wants_does_not_end_the_connection(gateway: Gateway) -> None:
    chunks = request("POST", "/nowhere", {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n" * 100 + b"0\r\n\r\n")
    plain = request("POST", "/nowhere", None, b"x" * 10_000)
    for said in (chunks, plain):
        half = len(said) // 2
        assert statuses(gateway, [said[:half], said[half:] + PING], ["POST", "GET"], pause=0.05) == [404, 200]


# ---- 100 Continue (RFC 9110, section 10.1.1)

EXPECT = {"Expect": "100-continue"}


def test_who_asks_for_leave_gets_it_when_the_body_is_wanted(gateway: Gateway, user: str) -> None:
    body = sending(user)
    with conversation(gateway) as peer:
        for _ in range(2):
            peer.say(request("POST", "/notifications", {**ADMIN, **EXPECT, "Content-Length": str(len(body))}))
            leave = answer_to_stream(peer)
            assert (leave.status, leave.headers) == (100, {})
            peer.say(body)
            assert answer_to_stream(peer).status == 201
            peer.received = b""
            peer.say(b"")


def test_who_does_not_wait_for_leave_gets_the_answer_alone(gateway: Gateway, user: str) -> None:
    with conversation(gateway) as peer:
        peer.say(request("POST", "/notifications", {**ADMIN, **EXPECT}, sending(user)) + PING)
        assert answer_to_stream(peer).status == 201


def test_who_is_refused_leave_gets_the_last_answer(gateway: Gateway) -> None:
    with conversation(gateway) as peer:
        peer.say(request("POST", "/nowhere", {**EXPECT, "Content-Length": "5"}))
        answer = answer_to(peer, "POST")
        assert (answer.status, answer.headers["connection"]) == (404, "close")
        peer.say(PING)
        assert peer.answer(lambda _: "GET") is None


@pytest.mark.parametrize("said", [request("GET", "/healthz", EXPECT), request("POST", "/nowhere", EXPECT, b"", "1.0")])
def test_there_is_no_leave_where_there_is_no_body_or_no_http_1_1(gateway: Gateway, said: bytes) -> None:
    with conversation(gateway) as peer:
        peer.say(said)
        assert answer_to_stream(peer).status in (200, 404)


# ---- trailers

CREDENTIALS = "".join(f"{name}: {value}\r\n" for name, value in ADMIN.items()).encode()


def test_a_trailer_is_no_header(gateway: Gateway, user: str) -> None:
    body = sending(user)
    chunk = b"%x\r\n%b\r\n" % (len(body), body)
    said = request("POST", "/notifications", {"Transfer-Encoding": "chunked", "Trailer": ", ".join(ADMIN)}, chunk)
    for trailers in (CREDENTIALS, b"X-MAGICBELL-API-KEY: test-api-key\r\n", b"Content-Length: 500\r\nHost: b\r\n"):
        for step in (len(said) + 500, 3):
            data = said + b"0\r\n" + trailers + b"\r\n" + PING
            parts = [data[at : at + step] for at in range(0, len(data), step)]
            refused, well = statuses(gateway, parts, ["POST", "GET"], pause=0)
            assert refused in (401, 404)
            assert well == 200
    accepted = request("POST", "/notifications", {**ADMIN, "Transfer-Encoding": "chunked"}, chunk)
    assert statuses(gateway, [accepted + b"0\r\nX: y\r\n\r\n" + PING], ["POST", "GET"]) == [201, 200]


# ---- work by the byte

BEGINNING = request("POST", "/notifications", {**ADMIN, "Transfer-Encoding": "chunked"})
MUTED = request("POST", "/nowhere", {"Transfer-Encoding": "chunked"})

ATTACKS = {
    "a byte a chunk": (BEGINNING, b"1\r\n \r\n"),
    "a byte a chunk that nobody wants": (MUTED, b"1\r\n \r\n"),
    "long extensions": (BEGINNING, b"1;" + b"x" * 900 + b"\r\n \r\n"),
    "an endless trailer": (BEGINNING + b"0\r\nX: ", b"x" * 1000),
    "trailers without end": (BEGINNING + b"0\r\n", b"X: y\r\n"),
    "trailers that nobody wants": (MUTED + b"0\r\n", b"X: y\r\n"),
    "an endless size": (BEGINNING, b"0"),
    "headers without end": (b"GET /healthz HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n"),
    "an endless header": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", b"x" * 1000),
    "empty lines": (b"", b"\r\n"),
    "requests without end": (b"", PING),
    "garbage": (b"", b"\xff\0\r\n"),
}


@pytest.mark.parametrize(("beginning", "again"), ATTACKS.values(), ids=ATTACKS)
def test_bytes_that_make_work_hold_nobody_up(gateway: Gateway, beginning: bytes, again: bytes) -> None:
    (worker,) = gateway.children("worker")
    megabyte = again * (1_000_000 // len(again))

    def attack(until: float) -> None:
        with conversation(gateway) as peer, contextlib.suppress(TimeoutError):
            peer.sock.settimeout(ATTACK_SECONDS)
            goes_on = peer.say(beginning)
            while goes_on and time.monotonic() < until:
                goes_on = peer.say(megabyte)

    before = resident_bytes(worker)
    waited = []
    with ThreadPoolExecutor(4) as threads, conversation(gateway) as innocent:
        attacks = [threads.submit(attack, time.monotonic() + ATTACK_SECONDS) for _ in range(4)]
        while not all(attack.done() for attack in attacks):
            started = time.monotonic()
            innocent.say(PING)
            assert answer_to(innocent).status == 200
            waited.append(time.monotonic() - started)
            time.sleep(0.005)
    assert sorted(waited)[len(waited) * 9 // 10] < STALL_SECONDS
    assert resident_bytes(worker) - before < 60_000_000
    assert "Traceback" not in gateway.log


def resident_bytes(pid: int) -> int:
    """Read how much memory a process has."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_trailers_that_are_too_large_are_refused(gateway: Gateway) -> None:
    with conversation(gateway) as peer:
        peer.say(BEGINNING + b"0\r\nX: " + b"x" * 9000)
        answer = answer_to(peer, "POST")
        assert (answer.status, answer.headers["connection"]) == (431, "close")


def test_more_than_a_hundred_headers_are_refused(gateway: Gateway) -> None:
    with conversation(gateway) as peer:
        peer.say(request("GET", "/healthz", {f"X-{number}": "" for number in range(100)}))
        assert answer_to(peer).status == 431
