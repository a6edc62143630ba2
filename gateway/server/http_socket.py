"""The socket of one HTTP connection: its buffers, its deadline, and how it ends or is handed over.

`http.HttpProtocol` reads the requests.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import Any

from gateway.api.core.direct import DirectRoute
from gateway.server.coalesced_writes import CoalescedWrites
from gateway.server.connection_deadline import ConnectionDeadline
from gateway.server.direct import DirectCycle
from gateway.server.handover import LiveRequest
from gateway.server.ingress import HttpIngress
from gateway.server.lingering import LingeringClose
from gateway.server.reader import RequestReader
from gateway.server.request import Head
from gateway.server.uvicorn_internals import Config, HoldableFlowControl, RequestCycle, ServerState


class Stage(Enum):
    """What the next received bytes belong to."""

    HEAD = auto()
    BODY = auto()
    SMALL_BODY = auto()
    """The rest of a small body, whose request begins when it is complete."""
    RESPONSE = auto()
    """Part of the next request. They wait until the response to this one is complete."""
    LINGERING = auto()
    """Nothing: the last response was sent, see `LingeringClose`."""
    ENDED = auto()
    """Nothing: the socket is closed, or was handed over."""


class HttpSocket(asyncio.Protocol, ABC):
    """The socket of one HTTP connection, and the state that its requests share."""

    def __init__(
        self,
        ingress: HttpIngress,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: object = None,  # uvicorn passes it for the listeners that it opens
    ):
        if not config.loaded:
            config.load()
        self._ingress = ingress
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._peer: str | None = None
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # set by connection_made, used only after
        self._output: CoalescedWrites = None  # type: ignore[assignment] # the same
        self._flow: HoldableFlowControl = None  # type: ignore[assignment] # the same
        self._lingering: LingeringClose = None  # type: ignore[assignment] # set with Stage.LINGERING
        self._cycle: RequestCycle | DirectCycle | None = None
        self._head: Head | None = None
        """The head of the last request, with its path and its direct route. Most clients repeat it."""
        self._path = ""
        self._route: DirectRoute | None = None
        self._reader = RequestReader()
        self._deadline = ConnectionDeadline(ingress.deadlines)
        self._stage = Stage.HEAD
        self._slice_is_queued = False
        self._client_finished = False
        self._keep_alive = True
        self._skippable_bytes = 0

    def peer(self) -> str:
        """Return the address of the peer, "" if the connection was closed before the first call."""
        if self._peer is None:
            name = self.transport.get_extra_info("peername")
            self._peer = str(name[0]) if isinstance(name, tuple) else ""
        return self._peer

    def local_port(self) -> int:
        """Return the port on which the connection was accepted, 0 if it was closed."""
        name = self.transport.get_extra_info("sockname")
        return int(name[1]) if isinstance(name, tuple) else 0

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to read, and expect a request."""
        self._server_state.connections.add(self)  # type: ignore[arg-type] # it has what uvicorn needs of a connection
        self.transport = transport  # type: ignore[assignment] # uvloop's transports are no subclasses
        self._output = CoalescedWrites(self.transport, self._after_last_response)
        self._flow = HoldableFlowControl(self.transport)
        self._deadline.set(self, self._ingress.head_seconds)

    def pause_writing(self) -> None:
        """Make responses wait until the client reads."""
        self._flow.pause_writing()
        headers = self._cycle.headers if self._cycle is not None else ()
        client = self._ingress.client_network(self.peer(), headers)
        self._ingress.pending_responses.add(self, client, time.monotonic())
        if not self._deadline.is_set:
            self._deadline.set(self, self._ingress.body_seconds)

    def resume_writing(self) -> None:
        """Continue to write responses."""
        self._flow.resume_writing()
        self._ingress.pending_responses.remove(self)
        if self._stage is Stage.RESPONSE:
            self._received_in_time()

    # -- called by the ingress

    @abstractmethod
    def on_deadline(self, now: float) -> None:
        """Close the connection of a client that did not send its request, or read its response, in time."""

    # -- the end of this object

    def _after_last_response(self) -> None:
        """Close the connection. Linger if the client may still be sending: otherwise it may lose the response."""
        request_is_complete = self._stage is Stage.RESPONSE and not self._reader.has_more
        self._reader.take_rest()
        if request_is_complete or self._client_finished or self.transport.is_closing():
            self._stage = Stage.ENDED
            self.transport.close()
            if self.transport.get_write_buffer_size():  # `close` waits until it is empty
                self._deadline.set(self, self._ingress.body_seconds)
            return
        self._stage = Stage.LINGERING
        self._deadline.set(self, self._ingress.body_seconds)
        self._lingering = LingeringClose(self.transport, self._flow)
        self._lingering.begin()

    def _hand_over(self, live: LiveRequest, accepted_at: float) -> None:
        """Hand the socket over to a live connection. This object receives nothing from the socket after that."""
        rest, transport, flow = self._reader.take_rest(), self.transport, self._flow
        request_id = self._ingress.request_id(self.peer, live.head)
        self._output.flush()
        flow.release()
        self._deadline.cancel(self)
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
        # These refer back to this object. Unless they are dropped, only a garbage collection would free it.
        self._output.discard()
        self._cycle = self._head = self._route = None

    def _received_in_time(self) -> None:
        """Cancel the deadline of what was received in time. Set a new one if the client has yet to read responses."""
        self._deadline.clear()
        if self._flow.write_paused:
            self._deadline.set(self, self._ingress.body_seconds)
