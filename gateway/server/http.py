"""HTTP/1.1 on one socket, until the socket is handed over to a live connection.

Requests are served one at a time. The next request is read only after the response to the previous one is complete, and
bytes after the last response are never read as a request. So a socket has one owner at any moment, and a request for a
live connection may follow other requests on the same connection.

Only the cycle of a request is uvicorn's. A live stream as an ASGI response that never ends would cost a task, a cycle
and several futures: 18 KB, and 23 µs an event in the measurements behind the design. Handing the socket over costs one
small object.
"""

import asyncio
import time
from urllib.parse import unquote

from gateway.api.core.direct import DirectRoute
from gateway.api.core.endpoint import Endpoint
from gateway.api.core.requests import ApiRequest
from gateway.server.direct import DirectCycle
from gateway.server.handover import live_request
from gateway.server.http_socket import HttpSocket, Stage
from gateway.server.ingress import KEEP_ALIVE_SECONDS
from gateway.server.request import Head, RefusedRequestError
from gateway.server.responses import refusal, refuse_websocket
from gateway.server.uvicorn_internals import CycleFactory, RequestCycle

MAX_AWAITED_BYTES = 16 * 1024
"""The largest body that is received before its request begins. Many clients send even small bodies in a second packet.
A head may hold four times as much while it is incomplete; larger bodies are counted while they arrive."""

MAX_SKIPPED_BYTES = 256 * 1024
"""The most bytes of a body that are read and dropped after its response, to keep the connection open. Go's bound."""


class HttpProtocol(HttpSocket):
    """One HTTP connection. uvicorn creates it, and calls `shutdown` when the server stops."""

    # -- called by the event loop

    def connection_lost(self, exc: Exception | None) -> None:
        """Release everything that the connection holds."""
        self._deadline.cancel(self)
        if self._stage is Stage.SMALL_BODY and self._head is not None:
            self._begin(self._head, self._path)  # so that the log has the request
        if self._cycle is not None:
            self._cycle.connection_lost()
        self._flow.resume_writing()
        self._end()

    def eof_received(self) -> bool:
        """Return True to respond to a complete request before closing, False to close at once if there is none.

        A client that ends its side of an endless stream has left: clients that only half-close wait for an end.
        """
        self._client_finished = True
        cycle = self._cycle
        if self._stage is not Stage.RESPONSE or (isinstance(cycle, RequestCycle) and cycle.is_endless):
            return False
        self._flow.hold()  # otherwise the end of the stream would be read again and again
        return True

    def data_received(self, data: bytes) -> None:
        """Read requests from the data. Data that must wait is kept, and the transport is paused."""
        if self._stage is Stage.LINGERING:
            self._lingering.discard(len(data))
            return
        self._reader.feed(data)
        if self._slice_is_queued or self._stage is Stage.RESPONSE:
            self._flow.hold()
        else:
            self._read()

    # -- called by the ingress and by uvicorn

    def on_deadline(self, now: float) -> None:
        """Close the connection of a client that did not send its request, or read its response, in time.

        If the rest of the body is missing and no response is complete, the client receives an error response.
        """
        if not self._deadline.has_passed(self, now):
            return
        unread = self.transport.get_write_buffer_size()
        if self._stage is Stage.SMALL_BODY and self._head is not None:
            self._begin(self._head, self._path)
            self._fail_late_body()
        elif self._stage is Stage.BODY and not self._current_cycle().response_complete:
            self._fail_late_body()
        elif self._deadline.client_reads(unread):
            self._deadline.set(self, self._ingress.body_seconds)
        elif self._deadline.idle and not unread:
            self.transport.close()
        else:
            self.transport.abort()

    def shutdown(self) -> None:
        """Close the connection after the response that is in progress."""
        self._keep_alive = False
        if self._stage is Stage.SMALL_BODY:
            return
        if self._cycle is not None and self._stage in (Stage.RESPONSE, Stage.BODY):
            self._cycle.keep_alive = False
        else:
            self.transport.close()

    # -- requests

    def _read(self) -> None:
        """Read heads and bodies from the received data, as far as they can be read now."""
        try:
            goes_on = True
            while goes_on and self._reader.has_more:
                if self._stage is Stage.HEAD:
                    goes_on = self._read_head()
                elif self._stage is Stage.SMALL_BODY:
                    self._begin_if_complete()
                    break
                else:
                    goes_on = self._stage is Stage.BODY and self._read_body()
        except RefusedRequestError as refused:
            self._refuse(refused)
        if self._stage is Stage.RESPONSE and self._reader.has_more:
            self._flow.hold()
        elif self._flow.held and not (self._slice_is_queued or self._client_finished):
            self._flow.held = False
            if self._cycle is None or not self._cycle.body_is_full:
                self._flow.resume_reading()
        if self._stage in (Stage.BODY, Stage.SMALL_BODY) and not self._deadline.is_set:
            # Nearly every body arrives together with its head, and such a body needs no deadline.
            self._deadline.set(self, self._ingress.body_seconds)

    def _read_head(self) -> bool:
        """Begin the next request. Return False when its head is incomplete."""
        head = self._reader.read_head()
        if head is None:
            if self._deadline.idle or not self._deadline.is_set:
                self._deadline.set(self, self._ingress.head_seconds)
            return False
        if head is not self._head:
            path = head.raw_path.decode()
            self._path = path = unquote(path) if "%" in path else path
            if (live := live_request(head, path, self._ingress.public_prefix)) is not None:
                self._hand_over(live, time.monotonic() if self._deadline.idle else self._deadline.set_at)
                return True
            self._head, self._route = head, self._direct_route(head, path)
        self._received_in_time()
        self._keep_alive = head.keep_alive and not self._ingress.draining
        route, missing = self._route, self._reader.body_bytes_to_come
        if route is not None and not (missing and _needs_early_response(head, route.endpoint)):
            self._stage = Stage.SMALL_BODY
            self._begin_if_complete()
            return False
        self._begin(head, self._path)
        return True

    def _begin_if_complete(self) -> None:
        """Begin a request that was found to have a direct route, unless a part of its body is missing."""
        if self._reader.body_bytes_to_come or self._head is None or self._route is None:
            return
        if self._deadline.is_set:
            self._received_in_time()
        self._begin_direct(self._head, self._route)

    def _begin_direct(self, head: Head, route: DirectRoute) -> None:
        """Start the task that runs the operation of a request whose body is complete."""
        request = ApiRequest(
            head.method,
            self._path,
            head.query,
            head.by_name,
            head.fields,
            route.path_params,
            self.peer,
            self._ingress.request_id(self.peer, head) if head.request_id else self._ingress.request_ids.next(),
            head.known,
            self._reader.read_body()[0][0] if head.body_bytes else b"",
        )
        state = self._server_state
        default_lines = self._ingress.default_head.lines(state.default_headers)
        self._stage = Stage.RESPONSE
        self._cycle = cycle = DirectCycle(
            request, default_lines, self._output, self._flow, self._on_response, keep_alive=self._keep_alive
        )
        self._ingress.operation_tasks.run(cycle, route.endpoint, state.tasks)

    def _begin(self, head: Head, path: str) -> None:
        """Start the cycle that responds to a request through ASGI."""
        has_body = head.body_bytes != 0
        expects_continue = has_body and head.expects_continue and not self._reader.has_more
        self._stage = Stage.BODY if has_body else Stage.RESPONSE
        state = (self._server_state, self._app_state)
        cycles = CycleFactory(self._config, *state, self._output, self._flow, self.peer, self.local_port)
        self._cycle = cycles.start(
            head,
            path,
            self._ingress.request_id(self.peer, head),
            self._on_response,
            app=refuse_websocket if head.is_websocket_handshake else None,
            expects_continue=expects_continue,
            # A client that expects a 100 (Continue) may, after any other status, send either the body or another
            # request. The gateway could not distinguish them.
            keep_alive=self._keep_alive
            and not expects_continue
            and self._reader.body_bytes_to_come <= MAX_SKIPPED_BYTES,
        )

    def _direct_route(self, head: Head, path: str) -> DirectRoute | None:
        """Return the route of a request that needs nothing that only the application does, None for any other."""
        raw_path = head.raw_path
        if head.body_bytes is None or head.is_websocket_handshake:
            return None
        if raw_path.endswith(b"/") or b"//" in raw_path or "origin" in head.by_name:
            return None
        return self._ingress.direct_routes.find(head.method, path)

    def _read_body(self) -> bool:
        """Pass received parts of the body to the cycle. Return whether the body is complete."""
        cycle, reader = self._current_cycle(), self._reader
        cycle.waiting_for_100_continue = False
        content, size = reader.read_body()
        finished = reader.body_finished
        if not cycle.response_complete:
            if content or finished:
                cycle.add_body(content, finished=finished)
                if cycle.body_is_full:
                    self._flow.pause_reading()
        else:
            self._skippable_bytes -= size
            if self._skippable_bytes < 0:
                self._output.close()
                return False
        if finished:
            self._received_in_time()
            if cycle.response_complete:
                self._expect_next_request()
            else:
                self._stage = Stage.RESPONSE
                if not cycle.response_started:
                    cycle.keep_alive = self._keep_alive
        elif reader.body_needs_slice:
            self._slice_is_queued = True
            self._flow.hold()
            self._ingress.scheduler.add(self._read_slice)
        return finished

    def _read_slice(self) -> None:
        self._slice_is_queued = False
        if self._stage is Stage.BODY:
            self._read()

    def _current_cycle(self) -> RequestCycle:
        if not isinstance(self._cycle, RequestCycle):
            raise RuntimeError("no request whose body arrives has begun on this connection")
        return self._cycle

    def _fail_late_body(self) -> None:
        """Make the response the last one, whatever it is: the rest of the body has no deadline any more."""
        cycle = self._current_cycle()
        self._keep_alive = cycle.keep_alive = False
        cycle.fail_late_body()

    # -- responses

    def _on_response(self) -> None:
        """Expect the next request after a response, unless it was the last one."""
        self._server_state.total_requests += 1
        if self._stage is Stage.RESPONSE:
            self._expect_next_request()
            if self._reader.has_more or self._client_finished:
                # In the next iteration of the event loop: the next request must not begin inside the cycle of this one.
                asyncio.get_running_loop().call_soon(self._read_held)
        elif self._stage is Stage.BODY:
            self._skippable_bytes = MAX_SKIPPED_BYTES
            self._flow.resume_reading()

    def _expect_next_request(self) -> None:
        self._stage = Stage.HEAD
        self._flow.resume_reading()  # a large body pauses it
        self._deadline.set(self, KEEP_ALIVE_SECONDS, idle=True)

    def _read_held(self) -> None:
        if self._stage is Stage.HEAD:
            self._read()
            if self._client_finished and self._stage in (Stage.HEAD, Stage.BODY, Stage.SMALL_BODY):
                self._output.flush()
                self.transport.close()

    def _refuse(self, refused: RefusedRequestError) -> None:
        """Respond to a request that cannot be read, unless its response has begun, and end the connection."""
        responded, is_head = False, self._reader.is_head
        if self._stage is Stage.BODY:
            cycle = self._current_cycle()
            responded, is_head = cycle.response_started, cycle.is_head
            cycle.disconnect()
        if not responded:
            request_id = self._ingress.request_ids.next().encode()
            headers = [*self._server_state.default_headers, (b"x-request-id", request_id)]
            self._output.write(refusal(refused, headers, with_body=not is_head))
        self._output.close()


def _needs_early_response(head: Head, endpoint: Endpoint) -> bool:
    """Return whether a request must begin before its body is complete."""
    return head.expects_continue or (head.body_bytes or 0) > MAX_AWAITED_BYTES or not endpoint.reads_body
