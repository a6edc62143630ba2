"""The pages and scripts that the gateway serves. Headers restrict what a page loads, and forbid framing it.

The files are read when a worker starts, not when this module is imported.
"""

import base64
import hashlib
import re
from importlib.resources import files

from starlette.responses import RedirectResponse, Response

from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import Operation
from gateway.api.core.routing import TRAILING_SLASHES
from gateway.api.core.schema import ResponseSpec
from gateway.api.core.unbuilt import not_built

_HTML, _JAVASCRIPT = "text/html; charset=utf-8", "text/javascript; charset=utf-8"

PAGE = ResponseSpec(200, "The page", media_type="text/html")
SCRIPT = ResponseSpec(200, "The module", media_type="text/javascript")
REDIRECT = ResponseSpec(307, "The demo page is at another address", media_type="", headers=("Location",))


class Page:
    """An HTML page. Its policy allows connections to `connects_to` only, and only the page's own scripts."""

    def __init__(self, name: str, connects_to: str = "'self'"):
        self._content = _read(name)
        self._headers = {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": _policy(self._content, connects_to),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
        }

    def response(self, call: PublicCall) -> Response:
        """Return the page, or a redirect if its path ends with a slash: its relative links would be wrong there."""
        slashes: int = call.request.noted(TRAILING_SLASHES) or 0
        if slashes:
            path = call.request.path
            prefix = call.forwarded.prefix
            # Without a known prefix, a relative address is used, which needs none.
            return RedirectResponse(f"..{path}" if slashes == 1 and not prefix else prefix + path)
        return Response(self._content, media_type=_HTML, headers=self._headers)


class PagesResource:
    """The operations that serve pages and scripts."""

    def __init__(self) -> None:
        self._demo = Page("demo.html", "'self' ws: wss:")
        self._docs = Page("docs.html")
        self._client = _read("client.js")

    async def redirect_to_demo(self, call: PublicCall) -> Response:
        """Redirect to the demo page. Behind a proxy with a path prefix, the address has the prefix."""
        return RedirectResponse(f"{call.forwarded.prefix}/demo")

    async def demo(self, call: PublicCall) -> Response:
        """Return a page that shows an inbox and sends to it, for trying the gateway out."""
        return self._demo.response(call)

    async def docs(self, call: PublicCall) -> Response:
        """Return this documentation as a page."""
        return self._docs.response(call)

    async def client_script(self, call: PublicCall) -> Response:
        """Return the browser client, an ECMAScript module. Pages of any origin may import it."""
        return Response(self._client, media_type=_JAVASCRIPT, headers={"Cache-Control": "no-cache"})


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


OPERATIONS: list[Operation[PagesResource]] = [
    Operation("GET", "/", PUBLIC, PagesResource.redirect_to_demo, "Go to the demo page", REDIRECT),
    Operation("GET", "/demo", PUBLIC, PagesResource.demo, "Get the demo page", PAGE),
    Operation("GET", "/docs", PUBLIC, PagesResource.docs, "Get this documentation", PAGE),
    Operation("GET", "/client.js", PUBLIC, PagesResource.client_script, "Get the browser client", SCRIPT),
    *not_built("GET /inbox-bell.js"),
]
