"""A push service for Firefox: its WebSocket protocol (autopush), and the endpoints to which messages are sent."""

import asyncio
import base64
import json
from contextlib import suppress
from typing import Any, Self
from uuid import uuid4

from websockets import ConnectionClosed
from websockets.asyncio.server import Server, ServerConnection, serve

from tests.stubs.http_stub import HttpStub, Received, Reply


class FirefoxPush(HttpStub):
    """The push service and the web server of a page. `push_url` is the address for `dom.push.serverURL`.

    `pages` has the files of the page by path. `reports` has what the page and its service worker have posted, and
    `acknowledged` the codes with which Firefox has acknowledged messages: 100 is "delivered".
    """

    def __init__(self, pages: dict[str, tuple[str, str]]) -> None:
        super().__init__()
        self.reports: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.acknowledged: list[int] = []
        self.push_url = ""
        self._pages = pages
        self._browser: ServerConnection | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._server: Server

    async def __aenter__(self) -> Self:
        self._server = await serve(self._serve_browser, "127.0.0.1", 0)
        self.push_url = f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"
        return await super().__aenter__()

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        await super().__aexit__(*error)

    def reply(self, request: Received) -> Reply:
        """Serve the page, take its reports, and pass messages on to Firefox."""
        if request.path == "/connected":
            return Reply(404 if self._browser is None else 204)
        if request.method == "GET":
            kind, text = self._pages.get(request.path, ("", ""))
            return Reply(200 if kind else 404, text, {"Content-Type": kind} if kind else {})
        if not request.path.startswith("/wpush/"):
            self.reports.put_nowait((request.path, request.json))
            return Reply(204)
        assert self._browser is not None
        message = {
            "messageType": "notification",
            "channelID": request.path.removeprefix("/wpush/"),
            "version": str(uuid4()),
            "data": base64.urlsafe_b64encode(request.body).rstrip(b"=").decode(),
            "headers": {"encoding": request.headers["content-encoding"]},
        }
        sending = asyncio.create_task(self._browser.send(json.dumps(message)), name="push")
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        return Reply(201)

    async def _serve_browser(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):  # Firefox is ended by a signal
            await self._answer_all(connection)

    async def _answer_all(self, connection: ServerConnection) -> None:
        async for text in connection:
            message = json.loads(text)
            kind, channel = message.get("messageType"), message.get("channelID")
            answer: dict[str, Any] = {"messageType": kind, "status": 200}
            match kind:
                case "hello":
                    answer |= {"uaid": uuid4().hex, "use_webpush": True, "broadcasts": {}}
                    self._browser = connection
                case "register":
                    answer |= {"channelID": channel, "pushEndpoint": f"{self.url}/wpush/{channel}"}
                case "unregister":
                    answer |= {"channelID": channel}
                case "ack":
                    self.acknowledged += [update["code"] for update in message["updates"]]
                    continue
                case _:
                    continue
            await connection.send(json.dumps(answer))
