"""Canaries for what the gateway relies on inside uvicorn: a failure after an update shows what changed."""

import asyncio
import inspect
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.server.coalesced_writes import CoalescedWrites
from gateway.server.request import read_head
from gateway.server.uvicorn_internals import CycleFactory, HoldableFlowControl, ListeningServer

UPDATE = f"uvicorn {uvicorn.__version__} changed: adapt gateway/server/uvicorn_internals.py. "


def parameters(function: Any) -> list[str]:
    """Return the names of a function's parameters."""
    return list(inspect.signature(function).parameters)


def test_a_cycle_is_created_from_the_parameters_that_the_gateway_passes() -> None:
    expected = ["self", "scope", "transport", "flow", "logger", "access_logger", "access_log", "default_headers"]
    expected += ["message_event", "expect_100_continue", "keep_alive", "on_response"]
    assert parameters(RequestResponseCycle.__init__) == expected, UPDATE + "RequestResponseCycle has other parameters"


def test_a_protocol_is_created_from_the_parameters_that_http_protocol_accepts() -> None:
    expected = ["self", "config", "server_state", "app_state", "_loop"]
    assert parameters(HttpToolsProtocol.__init__) == expected, UPDATE + "it creates HTTP protocols differently"


def test_the_state_of_a_server_has_the_attributes_that_http_protocol_updates() -> None:
    expected = {"total_requests": int, "connections": set, "tasks": set, "default_headers": list}
    found = {name: type(value) for name, value in vars(ServerState()).items()}
    assert found == expected, UPDATE + "ServerState has other attributes"


def test_the_methods_of_a_server_that_the_gateway_overrides_have_the_same_parameters() -> None:
    overridden = {"startup": ["self", "sockets"], "shutdown": ["self", "sockets"], "on_tick": ["self", "counter"]}
    found = {name: parameters(getattr(uvicorn.Server, name)) for name in overridden}
    assert found == overridden, UPDATE + "a method that WorkerServer overrides has other parameters"
    for name in overridden:
        assert inspect.iscoroutinefunction(getattr(uvicorn.Server, name)), UPDATE + f"Server.{name} is not async"


def test_a_config_has_what_cycles_are_started_with() -> None:
    config = uvicorn.Config(application, root_path="/x", lifespan="off", log_config=None)
    assert not config.loaded, UPDATE + "Config.loaded"
    config.load()
    assert config.loaded, UPDATE + "Config.loaded"
    for name, kind in (("asgi_version", str), ("root_path", str), ("backlog", int), ("loaded_app", object)):
        assert isinstance(getattr(config, name), kind), UPDATE + f"Config.{name}"
    assert callable(config.http_protocol_class), UPDATE + "Config.http_protocol_class"


def test_flow_control_records_whether_reading_and_writing_are_paused() -> None:
    flow = FlowControl(Transport())
    flow.pause_reading()
    assert flow.read_paused, UPDATE + "FlowControl.read_paused"
    flow.pause_writing()
    assert flow.write_paused, UPDATE + "FlowControl.write_paused"


class Transport(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.reading = True

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Respond with the body and what the server reports."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


class Exchange:
    """One request whose cycle runs on a transport that keeps the response."""

    def __init__(self, *lines: str, app: Any = None, keep_alive: bool = True, expects_continue: bool = False):
        config = uvicorn.Config(application, lifespan="off", log_config=None)
        config.load()
        self.transport = Transport()
        self.state = ServerState()
        self.state.default_headers = [(b"x-default", b"yes")]
        self.flow = HoldableFlowControl(self.transport)
        self.responses = 0
        self.output = CoalescedWrites(self.transport, self.transport.close)
        head = read_head("\r\n".join(["POST /a?b=c HTTP/1.1", "Host: inbox", *lines]).encode())
        factory = CycleFactory(config, self.state, {}, self.output, self.flow, lambda: "192.0.2.1", lambda: 80)
        self.cycle = factory.start(
            head, "/a", "r1", self._count, app=app, expects_continue=expects_continue, keep_alive=keep_alive
        )

    def _count(self) -> None:
        self.responses += 1

    async def response(self, *content: bytes) -> bytes:
        """Pass the body, and return the response once the cycle's task has ended."""
        if content:
            self.cycle.add_body(content, finished=True)
        await self.ended()
        self.output.flush()
        return self.transport.written

    async def ended(self) -> None:
        """Wait for the cycle's task."""
        async with asyncio.timeout(10):
            while self.state.tasks:
                await asyncio.sleep(0)


async def test_a_cycle_responds_and_reports_it_once() -> None:
    exchange = Exchange("Content-Length: 5")
    written = await exchange.response(b"he", b"llo")
    assert written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert written.endswith(b"\r\n\r\nhello")
    assert b"x-default: yes\r\n" in written
    assert b"x-request-id: r1\r\n" in written
    assert exchange.cycle.response_started
    assert exchange.cycle.response_complete
    assert exchange.responses == 1
    assert not exchange.transport.closed


async def test_a_cycle_without_keep_alive_closes_its_connection() -> None:
    exchange = Exchange(keep_alive=False)
    written = await exchange.response()
    assert b"connection: close\r\n" in written
    assert exchange.transport.closed


async def test_a_cycle_that_expects_continue_sends_100_before_it_reads_the_body() -> None:
    exchange = Exchange("Content-Length: 5", expects_continue=True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    exchange.output.flush()
    assert exchange.transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"200 OK" in await exchange.response(b"hello")


@pytest.mark.parametrize("how", ["disconnect", "connection_lost"])
async def test_a_cycle_that_is_disconnected_sends_nothing_more(how: str) -> None:
    exchange = Exchange("Content-Length: 5")
    getattr(exchange.cycle, how)()
    assert await exchange.response() == b""


async def test_a_late_body_is_reported_in_the_scope() -> None:
    scopes: list[dict[str, Any]] = []

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        scopes.append(scope)
        await send({"type": "http.response.start", "status": 408, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    exchange = Exchange("Content-Length: 5", app=late)
    exchange.cycle.fail_late_body()
    await exchange.response()
    assert scopes[0]["inbox.body_is_late"] is True


async def test_a_body_that_waits_for_the_application_is_full_at_some_size() -> None:
    exchange = Exchange("Content-Length: 100000")
    exchange.cycle.add_body([b"x" * 65536], finished=False)
    assert not exchange.cycle.body_is_full
    exchange.cycle.add_body([b"x"], finished=False)
    assert exchange.cycle.body_is_full
    exchange.cycle.disconnect()
    await exchange.ended()


async def test_the_application_does_not_resume_reading_while_bytes_are_held() -> None:
    exchange = Exchange("Content-Length: 5")
    exchange.flow.hold()
    await exchange.response(b"hello")
    assert not exchange.transport.reading
    exchange.flow.release()
    assert exchange.transport.reading


async def test_a_server_accepts_connections_from_further_sockets() -> None:
    assert issubclass(ListeningServer, uvicorn.Server)
    source = inspect.getsource(uvicorn.Server)
    for used in (
        "self.servers",
        "self.server_state",
        "self.lifespan = ",
        "self.lifespan.state",
        "http_protocol_class(",
    ):
        assert used in source, UPDATE + f"Server no longer has {used}"
