"""A web server of another origin than the gateway's, for the pages that embed a bell."""

import contextlib
import itertools
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

REPORTS = "/reports"
"""Where browsers send violations of a policy: `report-uri /reports`."""

RECORD_VIOLATIONS = """
var violations = [];
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, sample }) => {
  violations.push({ violatedDirective, blockedURI, sourceFile, sample });
});
"""
"""A script of each page with a policy. Tests compare `violations` with what they expect."""


class Document(NamedTuple):
    """A page or another file of the server."""

    content: bytes
    headers: Mapping[str, str]


class PageServer:
    """Serves what tests add to it. `reports` has what browsers reported about policies, in order."""

    def __init__(self, port: int):
        self.url = f"http://localhost:{port}"
        """The origin. Gateways are at 127.0.0.1, so that this is another site and not only another port."""
        self.reports: list[dict[str, Any]] = []
        self.documents: dict[str, Document] = {}
        self._numbers = itertools.count(1)

    def add_page(self, body: str, *, head: str = "", attributes: str = 'lang="en"', policy: str = "") -> str:
        """Add a page with this content and, if not empty, this Content-Security-Policy. Return its address."""
        # The icon keeps Chromium from asking for /favicon.ico.
        recorder = '<script src="/violations.js"></script>' if policy else ""
        head = f'<meta charset="utf-8"><title>A page</title>{recorder}<link rel="icon" href="/icon.svg">{head}'
        text = f"<!doctype html><html {attributes}><head>{head}</head><body>{body}</body></html>"
        return self.add(f"/pages/{next(self._numbers)}", text, "text/html; charset=utf-8", policy=policy)

    def add(self, path: str, text: str, media_type: str, *, policy: str = "") -> str:
        """Add a file. Return its address."""
        headers = {"Content-Type": media_type, **({"Content-Security-Policy": policy} if policy else {})}
        self.documents[path] = Document(text.encode(), headers)
        return self.url + path


def _handler(server: PageServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # the name is http.server's
            document = server.documents.get(self.path.split("?")[0])
            if document is None:
                self._respond(404, b"", {})
            else:
                self._respond(200, document.content, document.headers)

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == REPORTS:
                server.reports.append(json.loads(content)["csp-report"])
            self._respond(204 if self.path == REPORTS else 404, b"", {})

        def _respond(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the name is http.server's
            """Write no log."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore connections that browsers reset."""


@contextlib.contextmanager
def running_page_server() -> Iterator[PageServer]:
    """Run a server for a block."""
    with _Server(("127.0.0.1", 0), BaseHTTPRequestHandler) as listening:
        server = PageServer(listening.server_port)
        server.add("/violations.js", RECORD_VIOLATIONS, "text/javascript")
        server.add("/icon.svg", '<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml")
        listening.RequestHandlerClass = _handler(server)
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,), name="pages", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join(10)
