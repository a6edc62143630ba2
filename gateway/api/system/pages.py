"""The pages and scripts that the gateway serves, with the headers that keep other pages from using them."""

import base64
import hashlib
import re
from importlib.resources import files

from starlette.responses import RedirectResponse, Response

from gateway.api.core.operation import Call, Handler, Operation, Scope
from gateway.api.core.routing import TRAILING_SLASHES
from gateway.api.core.schema import Answer
from gateway.api.core.unbuilt import not_built

HTML_TYPE, SCRIPT_TYPE = "text/html; charset=utf-8", "text/javascript; charset=utf-8"

PAGE = Answer(200, "The page", media_type="text/html")
SCRIPT = Answer(200, "The module", media_type="text/javascript")
ELSEWHERE = Answer(307, "Elsewhere", media_type="", headers=("Location",))


def script(name: str) -> Handler:
    """Make the handler that serves a script, which pages of any origin may load."""
    content = _read(name)

    async def handler(call: Call) -> Response:
        return Response(content, media_type=SCRIPT_TYPE, headers={"Cache-Control": "no-cache"})

    return handler


def page(name: str, connects_to: str = "'self'") -> Handler:
    """Make the handler that serves a page, which connects to nowhere else and runs no script but its own."""
    content = _read(name)
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _policy(content, connects_to),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
    }

    async def handler(call: Call) -> Response:
        slashes: int = call.request.scope.get(TRAILING_SLASHES, 0)
        if slashes:  # from there the page would look for its scripts in the wrong place
            path: str = call.request.scope["path"]
            prefix = call.forwarded.prefix
            # Where the prefix is not known, a relative address does without.
            return RedirectResponse(f"..{path}" if slashes == 1 and not prefix else prefix + path)
        return Response(content, media_type=HTML_TYPE, headers=headers)

    return handler


async def to_demo(call: Call) -> Response:
    """Redirect to the demo page, below the path at which a proxy serves the gateway."""
    return RedirectResponse(f"{call.forwarded.prefix}/demo")


def _read(name: str) -> bytes:
    return (files("gateway") / "web" / "dist" / name).read_bytes()


def _policy(content: bytes, connects_to: str) -> str:
    """Return a content security policy that allows the page's own inline scripts and styles by their hashes."""
    scripts = _hashes(rb"<script[^>]*>(.*?)</script>", content)
    styles = _hashes(rb"<style[^>]*>(.*?)</style>", content)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {scripts}",
            f"style-src {styles}",
            "img-src data:",
            f"connect-src {connects_to}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _hashes(pattern: bytes, content: bytes) -> str:
    digests = (hashlib.sha256(text).digest() for text in re.findall(pattern, content, flags=re.DOTALL))
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


OPERATIONS = [
    Operation("GET", "/", Scope.PUBLIC, to_demo, "To the demo page", ELSEWHERE),
    Operation("GET", "/demo", Scope.PUBLIC, page("demo.html", "'self' ws: wss:"), "The demo page", PAGE),
    Operation("GET", "/docs", Scope.PUBLIC, page("docs.html"), "This API, to read", PAGE),
    Operation("GET", "/client.js", Scope.PUBLIC, script("client.js"), "The browser client", SCRIPT),
    *not_built("GET /inbox-bell.js"),
]
