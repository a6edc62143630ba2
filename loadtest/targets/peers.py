"""The peers. They forward messages, without storing, numbering or counting them."""

import os
import shutil
import sys
from urllib.parse import quote

from loadtest import peers
from loadtest.clients import Make, SseClient, WebSocketClient, request_head, websocket_head
from loadtest.cores import raise_file_limit
from loadtest.journal import payload
from loadtest.targets.base import SERVERS, SSE, WEBSOCKET, MissingError, StartedTarget, made_of


def _require(package: peers.PeerPackage) -> None:
    if not package.installed:
        raise MissingError(f"{package.how}; or `python -m loadtest run --install-peers`")


class PeerTarget(StartedTarget):
    """A peer with `/ws`, `/sse` and `/publish`, each with the user in the query."""

    def make(self, transport: str) -> Make:
        """Return a function that creates clients with their user in the query."""
        if transport == WEBSOCKET:
            return made_of(
                WebSocketClient,
                lambda user: websocket_head(self.host, f"/ws?user={quote(user)}", {}),
                self.host,
                self.port,
            )
        return made_of(
            SseClient,
            lambda user: request_head("GET", self.host, f"/sse?user={quote(user)}", {"Accept": "text/event-stream"}),
            self.host,
            self.port,
        )

    def request(self, user: str, number: int, size: int = 200) -> bytes:
        """Return the request with the payload."""
        body = payload(number, size)
        fields = {"Content-Type": "text/plain", "Content-Length": str(len(body))}
        return request_head("POST", self.host, f"/publish?user={quote(user)}", fields) + body


class StarletteTarget(PeerTarget):
    """A simple Starlette application with a queue for each connection, in the environment of the gateway."""

    name = "Starlette, a queue each"
    transports = (WEBSOCKET, SSE)

    def command(self) -> list[str]:
        """Return the command of the server."""
        return [sys.executable, str(SERVERS / "starlette_app.py"), str(self.port)]


_NGINX = """
daemon off;
worker_processes 1;
pid {directory}/pid;
error_log stderr error;
worker_rlimit_nofile {files};
load_module {root}/usr/lib/nginx/modules/ngx_nchan_module.so;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  nchan_shared_memory_size 512M;
  keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /publish {{ nchan_publisher; nchan_channel_id $arg_user; nchan_message_buffer_length 10; }}
    location = /ws {{ nchan_subscriber websocket; nchan_channel_id $arg_user; nchan_subscriber_first_message newest; }}
    location = /sse {{
      nchan_subscriber eventsource; nchan_channel_id $arg_user; nchan_subscriber_first_message newest;
    }}
  }}
}}
"""


class NchanTarget(PeerTarget):
    """nchan, a module of nginx, which keeps messages in memory."""

    name = "nchan (nginx, C)"
    transports = (WEBSOCKET, SSE)
    ends_its_children = True

    def command(self) -> list[str]:
        """Write a configuration, and return the command. Raise MissingError."""
        _require(peers.NCHAN)
        files = raise_file_limit()
        (self.directory / peers.NGINX_DIRECTORY).mkdir()
        configuration = self.directory / "nginx.conf"
        configuration.write_text(
            _NGINX.format(
                directory=self.directory,
                root=peers.NCHAN.directory,
                port=self.port,
                files=files,
                connections=files - 100,
            )
        )
        binary = str(peers.NCHAN.directory / "usr/sbin/nginx")
        return [binary, "-e", "stderr", "-p", str(self.directory), "-c", str(configuration)]


class _SocketIoClient(WebSocketClient):
    """Engine.IO 4 over WebSocket with Socket.IO 5 packets: 0 open, 2 ping, 3 pong, 40 connected, 42 event."""

    def opened(self) -> None:
        """Do nothing. The client is ready when the namespace is connected."""

    def received(self, message: bytes) -> None:
        """Process a packet."""
        if message.startswith(b"42"):
            super().received(message)
        elif message.startswith(b"40"):
            self.be_ready()
        elif message.startswith(b"0"):
            self.send(b"40")
        elif message == b"2":
            self.heartbeats += 1
            self.send(b"3")


class SocketIoTarget(PeerTarget):
    """Socket.IO on Node."""

    name = "Socket.IO (Node)"
    transports = (WEBSOCKET,)

    def command(self) -> list[str]:
        """Return the command of the server. Raise MissingError."""
        _require(peers.SOCKETIO_NODE)
        node = shutil.which("node") or "node"
        return [
            node,
            "--expose-gc",
            str(SERVERS / "socketio.mjs"),
            str(self.port),
            str(peers.SOCKETIO_NODE.directory),
        ]

    def make(self, transport: str) -> Make:
        """Return a function that creates clients for Engine.IO."""
        return made_of(
            _SocketIoClient,
            lambda user: websocket_head(self.host, f"/socket.io/?EIO=4&transport=websocket&user={quote(user)}", {}),
            self.host,
            self.port,
        )


class PythonSocketIoTarget(SocketIoTarget):
    """python-socketio on uvicorn."""

    name = "python-socketio"

    def command(self) -> list[str]:
        """Return the command of the server. Raise MissingError."""
        _require(peers.SOCKETIO_PYTHON)
        return [str(peers.PYTHON), str(SERVERS / "socketio_app.py"), str(self.port)]


class ChannelsTarget(PeerTarget):
    """Django Channels on Daphne."""

    name = "Django Channels"
    transports = (WEBSOCKET,)

    def command(self) -> list[str]:
        """Return the command of the server. Raise MissingError."""
        _require(peers.CHANNELS)
        return [str(peers.PYTHON), "-m", "daphne", "-v", "0", "-p", str(self.port), "channels_app:application"]

    def environment(self) -> dict[str, str]:
        """Return the import path with the application."""
        return {"PYTHONPATH": os.pathsep.join((str(SERVERS / "collect"), str(SERVERS)))}
