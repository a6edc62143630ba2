"""A request as an ASGI application gets it, in uvicorn's cycle of one request and its answer."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from gateway.api.core.scope import PEER, REQUEST_ID
from gateway.server.output import JoinedWrites
from gateway.server.request import Head

_access_logger = logging.getLogger("uvicorn.access")
_logger = logging.getLogger("uvicorn.error")


class Cycles:
    """What the cycles of one connection have in common."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        output: JoinedWrites,
        flow: FlowControl,
        peer: Callable[[], str],
    ):
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._output = output
        self._flow = flow
        self._peer = peer

    def start(
        self,
        head: Head,
        path: str,
        request_id: str,
        on_response: Callable[[], None],
        *,
        app: Any = None,
        waits_for_leave: bool,
        keep_alive: bool,
    ) -> RequestResponseCycle:
        """Start what answers a request: the server's application, or another one."""
        root_path = self._config.root_path
        scope = {
            "type": "http",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.3"},
            "http_version": head.version,
            "server": None,
            "client": None,  # asking takes 10 µs, and not every request needs the answer
            "scheme": "http",
            "method": head.method,
            "root_path": root_path,
            "path": root_path + path,
            "raw_path": root_path.encode() + head.raw_path,
            "query_string": head.query,
            "headers": head.fields,
            "state": self._app_state.copy(),
            PEER: self._peer,
            REQUEST_ID: request_id,
        }
        cycle = RequestResponseCycle(
            scope=scope,  # type: ignore[arg-type] # ASGI allows servers' own keys
            transport=self._output,  # type: ignore[arg-type] # all of one that it uses
            flow=self._flow,
            logger=_logger,
            access_logger=_access_logger,
            access_log=False,
            default_headers=[*self._server_state.default_headers, (b"x-request-id", request_id.encode())],
            message_event=asyncio.Event(),
            expect_100_continue=waits_for_leave,
            keep_alive=keep_alive,
            on_response=on_response,
        )
        cycle.more_body = head.body_bytes != 0
        if not cycle.more_body:
            cycle.message_event.set()
        task = asyncio.get_running_loop().create_task(cycle.run_asgi(app or self._config.loaded_app))
        task.add_done_callback(self._server_state.tasks.discard)
        self._server_state.tasks.add(task)
        return cycle
