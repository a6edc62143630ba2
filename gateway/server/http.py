"""HTTP/1.1 on one socket, until the socket is given to a live connection.

One request at a time: the next one is not read before the one before it is answered, and what follows the last answer
never is. So a socket has one owner at any moment, and a request for a live connection may follow others on it.

Only the request cycle is uvicorn's. An ASGI response that never ends costs a task, a request cycle and several futures:
18 KB and 23 µs an event in the measurements behind the design. Giving the socket away costs one small object.
"""

import asyncio
import time
from enum import Enum, auto
from typing import Any
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from gateway.api.core.scope import BODY_IS_LATE
from gateway.domain.address import client_network
from gateway.server.cycle import Cycles
from gateway.server.handover import LiveRequest, live_request, refuse_websocket
from gateway.server.ingress import KEEP_ALIVE_SECONDS, HttpIngress
from gateway.server.output import HeldReading, JoinedWrites, refusal
from gateway.server.reader import RequestReader
from gateway.server.request import Head, RefusedRequestError

MAX_SKIPPED_BYTES = 256 * 1024
"""How much of a body that nobody wants is read so that its connection may go on. Go's bound."""

MAX_LINGERING_BYTES = 16 * 1024 * 1024
"""How much is thrown away of what a client goes on sending after its last answer: twice the largest body."""

LINGERING_PAUSE_SECONDS = 0.01
"""Between two reads, each of up to a quarter megabyte, of what is thrown away."""


class Stage(Enum):
    """What the bytes that come next are."""

    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    """Those of the next request, which wait until this one is answered."""
    LINGERING = auto()
    """Nothing: the last answer was given. They are read so that the client gets that answer (RFC 9112, section 9.6)."""
    ENDED = auto()
    """The socket is gone, or somebody else's."""


class HttpProtocol(asyncio.Protocol):
    """One socket. uvicorn makes it, ends it with `shutdown`, and waits for what it puts into `tasks`."""

    def __init__(
        self,
        ingress: HttpIngress,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: object = None,  # uvicorn says so when it serves the first listener
    ):
        if not config.loaded:
            config.load()
        self._ingress = ingress
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._peer: str | None = None
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # set by connection_made, used only after
        self._output: JoinedWrites = None  # type: ignore[assignment] # the same
        self._flow: HeldReading = None  # type: ignore[assignment] # the same
        self._cycles: Cycles = None  # type: ignore[assignment] # the same
        self._cycle: RequestResponseCycle = None  # type: ignore[assignment] # set by the first request
        self._reader = RequestReader()
        self._stage = Stage.HEAD
        self._slot: int | None = None
        self._idle = False
        self._began = 0.0
        self._in_turn = False
        self._peer_finished = False
        self._keep_alive = True
        self._budget = 0
        self._unsent = 0

    def peer(self) -> str:
        """Return the address that this connection comes from, "" if it is gone already."""
        if self._peer is None:
            name = self.transport.get_extra_info("peername")
            self._peer = str(name[0]) if isinstance(name, tuple) else ""
        return self._peer

    # -- from the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a socket, whose first request is due."""
        self._server_state.connections.add(self)  # type: ignore[arg-type] # it has what uvicorn asks of one
        self.transport = transport  # type: ignore[assignment] # uvloop's are none by class
        self._output = JoinedWrites(self.transport, self._last_answer_given)
        self._flow = HeldReading(self.transport)
        self._cycles = Cycles(self._config, self._server_state, self._app_state, self._output, self._flow, self.peer)
        self._expect(self._ingress.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the socket."""
        self._cancel_deadline()
        if self._cycle is not None:
            self._cycle.disconnected = not self._cycle.response_complete
            self._cycle.message_event.set()
        self._flow.resume_writing()
        self._end()

    def eof_received(self) -> bool:
        """Answer what was asked before the client finished sending, then close; False closes at once."""
        self._peer_finished = True
        if self._stage is not Stage.ANSWER:
            return False
        self._flow.hold()  # or the end would be read again
        return True

    def pause_writing(self) -> None:
        """Have answers wait until the client reads."""
        self._flow.pause_writing()
        self._ingress.pending_responses.add(self, self._client(), time.monotonic())
        if self._slot is None:
            self._expect(self._ingress.body_seconds)

    def resume_writing(self) -> None:
        """Have answers go on."""
        self._flow.resume_writing()
        self._ingress.pending_responses.remove(self)
        if self._stage is Stage.ANSWER:
            self._came_in_time()

    def data_received(self, data: bytes) -> None:
        """Read what it is the turn of, and hold the rest."""
        if self._stage is Stage.LINGERING:
            self._ignore(len(data))
            return
        self._reader.feed(data)
        if self._in_turn or self._stage is Stage.ANSWER:
            self._flow.hold()
        else:
            self._read()

    # -- from the hub and from uvicorn

    def on_deadline(self, now: float) -> None:
        """Cut a client that did not finish its request, or does not read its answer, in time.

        One that waits for the answer is told why.
        """
        self._slot = None
        unsent = self.transport.get_write_buffer_size()
        if self._stage is Stage.BODY and not self._cycle.response_complete:
            self._cycle.scope[BODY_IS_LATE] = True  # type: ignore[literal-required] # ASGI allows servers' own
            self._cycle.message_event.set()
        elif unsent and (not self._unsent or unsent < self._unsent):
            # It reads, however slowly.
            self._unsent = unsent
            self._expect(self._ingress.body_seconds)
        elif self._idle and not unsent:
            self.transport.close()
        else:
            self.transport.abort()

    def shutdown(self) -> None:
        """End the connection after the answer that is under way."""
        self._keep_alive = False
        if self._stage is Stage.ANSWER or self._stage is Stage.BODY:
            self._cycle.keep_alive = False
        else:
            self.transport.close()

    # -- requests

    def _read(self) -> None:
        """Read as far as it goes now."""
        try:
            goes_on = True
            while goes_on and self._reader.has_more:
                if self._stage is Stage.HEAD:
                    goes_on = self._read_head()
                else:
                    goes_on = self._stage is Stage.BODY and self._read_body()
        except RefusedRequestError as refused:
            self._refuse(refused)
        if self._stage is Stage.ANSWER and self._reader.has_more:
            self._flow.hold()
        elif self._flow.held and not (self._in_turn or self._peer_finished):
            self._flow.held = False
            if self._cycle is None or len(self._cycle.body) <= HIGH_WATER_LIMIT:
                self._flow.resume_reading()
        if self._stage is Stage.BODY and self._slot is None:
            # Nearly every body comes with its head, and none of those needs a deadline.
            self._expect(self._ingress.body_seconds)

    def _read_head(self) -> bool:
        """Begin the next request; return False when there is more of its head to come."""
        head = self._reader.read_head()
        if head is None:
            if self._idle or self._slot is None:
                self._expect(self._ingress.head_seconds)
            return False
        accepted_at = time.monotonic() if self._idle else self._began
        self._came_in_time()
        path = head.raw_path.decode()
        path = unquote(path) if "%" in path else path
        live = live_request(head, path, self._ingress.public_prefix)
        if live is None:
            self._begin(head, path)
        else:
            self._give_away(live, accepted_at)
        return True

    def _begin(self, head: Head, path: str) -> None:
        """Start what answers a request."""
        has_body = head.body_bytes != 0
        waits_for_leave = has_body and head.expects_continue and not self._reader.has_more
        self._keep_alive = head.keep_alive and not self._ingress.draining
        self._stage = Stage.BODY if has_body else Stage.ANSWER
        self._cycle = self._cycles.start(
            head,
            path,
            self._request_id(head),
            self._answered,
            app=refuse_websocket if head.is_websocket_handshake else None,
            waits_for_leave=waits_for_leave,
            # A client that asked for leave to send its body may go on with another request if it is refused: then
            # nobody knows what its next bytes are.
            keep_alive=self._keep_alive
            and not waits_for_leave
            and self._reader.body_bytes_to_come <= MAX_SKIPPED_BYTES,
        )

    def _client(self) -> str:
        """Return the address of the client whose request is being answered, or its network."""
        headers = self._cycle.scope["headers"] if self._cycle is not None else ()
        pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
        address = self._ingress.proxies.client(self.peer(), pairs)
        return client_network(address) or address

    def _request_id(self, head: Head) -> str:
        """Return the name of a request: a trusted proxy's, or a new one."""
        if head.request_id and self._ingress.proxies.trust(self.peer()):
            return self._ingress.request_ids.accept(head.request_id)
        return self._ingress.request_ids.next()

    def _read_body(self) -> bool:
        """Hand on what there is of the body; return whether that was all of it."""
        cycle, reader = self._cycle, self._reader
        cycle.waiting_for_100_continue = False
        content, size = reader.read_body()
        finished = reader.body_finished
        if not cycle.response_complete:
            self._hand_on(content, finished)
        else:
            self._budget -= size
            if self._budget < 0:
                self._output.close()
                return False
        if finished:
            self._came_in_time()
            if cycle.response_complete:
                self._next_request()
            else:
                self._stage = Stage.ANSWER
                if not cycle.response_started:
                    cycle.keep_alive = self._keep_alive
        elif reader.body_needs_turn:
            self._in_turn = True
            self._flow.hold()
            self._ingress.scheduler.add(self._read_in_turn)
        return finished

    def _hand_on(self, content: list[bytes], finished: bool) -> None:
        if content or finished:
            cycle = self._cycle
            for part in content:
                cycle.body += part
            cycle.more_body = not finished
            cycle.message_event.set()
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self._flow.pause_reading()

    def _read_in_turn(self) -> None:
        self._in_turn = False
        if self._stage is Stage.BODY:
            self._read()

    # -- answers

    def _answered(self) -> None:
        """Go on after an answer, unless it was the last one."""
        self._server_state.total_requests += 1
        if self._stage is Stage.ANSWER:
            self._next_request()
            if self._reader.has_more or self._peer_finished:
                # Not here: whoever answered the last request is not to see what becomes of the next.
                asyncio.get_running_loop().call_soon(self._read_held)
        elif self._stage is Stage.BODY:
            self._budget = MAX_SKIPPED_BYTES
            self._flow.resume_reading()

    def _next_request(self) -> None:
        self._stage = Stage.HEAD
        self._flow.resume_reading()  # a large body stops it
        self._expect(KEEP_ALIVE_SECONDS)
        self._idle = True

    def _read_held(self) -> None:
        if self._stage is Stage.HEAD:
            self._read()
            if self._peer_finished and self._stage in (Stage.HEAD, Stage.BODY):
                self._output.flush()
                self.transport.close()

    def _refuse(self, refused: RefusedRequestError) -> None:
        """Answer a request that is not taken, unless its answer has begun, and end the connection."""
        answered, is_head = False, self._reader.is_head
        if self._stage is Stage.BODY:
            answered, is_head = self._cycle.response_started, self._cycle.scope["method"] == "HEAD"
            self._cycle.disconnected = True
            self._cycle.message_event.set()
        if not answered:
            headers = [
                *self._server_state.default_headers,
                (b"x-request-id", self._ingress.request_ids.next().encode()),
            ]
            self._output.write(refusal(refused, headers, with_body=not is_head))
        self._output.close()

    def _last_answer_given(self) -> None:
        """Close, but read on first if the client may still be sending: else the answer may not reach it."""
        finished = self._stage is Stage.ANSWER and not self._reader.has_more
        self._reader.take_rest()
        if finished or self._peer_finished or self.transport.is_closing():
            self._stage = Stage.ENDED
            self.transport.close()
            if self.transport.get_write_buffer_size():  # which closing waits for
                self._expect(self._ingress.body_seconds)
            return
        self._stage = Stage.LINGERING
        self._budget = MAX_LINGERING_BYTES
        self._flow.release()
        self._expect(self._ingress.body_seconds)
        try:
            self.transport.write_eof()
        except OSError:  # the client is gone, which we are about to be told
            self.transport.abort()

    def _ignore(self, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            self.transport.abort()
        else:
            # One turn of the loop may read 8 MB of each of them otherwise.
            self._flow.hold()
            asyncio.get_running_loop().call_later(LINGERING_PAUSE_SECONDS, self._ignore_more)

    def _ignore_more(self) -> None:
        if self._stage is Stage.LINGERING and not self.transport.is_closing():
            self._flow.release()

    # -- the socket's way out

    def _give_away(self, live: LiveRequest, accepted_at: float) -> None:
        """Give the socket to a live connection. Nothing that happens on it concerns us from here on."""
        rest, transport, flow = self._reader.take_rest(), self.transport, self._flow
        request_id = self._request_id(live.head)
        self._output.flush()
        flow.release()
        self._cancel_deadline()
        self._end()
        live.take_over(
            self._ingress.hub,
            self._ingress.proxies,
            transport,
            request_id,
            self.peer,
            rest,
            accepted_at=accepted_at,
            is_full=flow.write_paused,
        )

    def _end(self) -> None:
        self._stage = Stage.ENDED
        self._reader.take_rest()
        self._ingress.pending_responses.remove(self)
        self._server_state.connections.discard(self)
        # These refer to us: without this all would wait for a collection.
        self._output.forget()
        self._cycles = None  # type: ignore[assignment] # used by no stage that is left
        self._cycle = None  # type: ignore[assignment] # used by no stage that is left

    # -- deadlines

    def _expect(self, seconds: float) -> None:
        self._idle = False
        self._began = time.monotonic()
        self._slot = self._ingress.deadlines.schedule(self, self._began + seconds, self._slot)

    def _came_in_time(self) -> None:
        """End the deadline for what has come; the one for answers that wait for the client to read may begin."""
        self._cancel_deadline()
        if self._flow.write_paused:
            self._expect(self._ingress.body_seconds)

    def _cancel_deadline(self) -> None:
        self._idle = False
        if self._slot is not None:
            self._ingress.deadlines.cancel(self, self._slot)
            self._slot = None
            self._unsent = 0
