"""The dashboard itself: its page, at every address below `/admin`, and the files that the page loads.

The page is one file with a `<base>` whose address is computed from the depth of the path, so that the page works below
any path that a proxy adds.
"""

from starlette.responses import Response

from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.routing import TRAILING_SLASHES
from gateway.api.system.pages import FILE, PAGE, policy
from gateway.api.system.static_files import REVALIDATED, StaticFiles

DIRECTORY = "dashboard"

POLICY = policy(
    base_uri="'self'",
    font_src="'self'",
    frame_src="'self'",
    img_src="'self' data: https:",
    require_trusted_types_for="'script'",
    trusted_types="inbox-html inbox-push",
)
"""The page's own files, the frame of mails, images of notifications, and the policies of Trusted Types that the bell
creates for its preview."""

_HEADERS = {
    "Cache-Control": REVALIDATED,
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}

MAX_DEPTH = 20
"""The most slashes of a path that is a route of the page. A copy of the page is kept for each number."""


class AdminPagesResource:
    """The operations that serve the page and its files."""

    def __init__(self, files: StaticFiles) -> None:
        self._files = files
        self._pages: dict[int, bytes] = {}

    async def page(self, call: PublicCall) -> Response:
        """Return the page of the dashboard."""
        path = call.request.path_params.get("client_route", "")
        slashes: int = call.request.noted(TRAILING_SLASHES) or 0
        depth = len(path.split("/")) - 1 + slashes if path else 0
        if depth > MAX_DEPTH:
            raise not_found("Page")
        return await self._served(depth if path or slashes else -1)

    async def file(self, call: PublicCall) -> Response:
        """Return a file that the page loads."""
        name = call.text("file")
        file = self._files.get(f"{DIRECTORY}/{name}" if name != "index.html" else "")
        return await file.response(call, {"Cache-Control": REVALIDATED})

    async def _served(self, depth: int) -> Response:
        if depth not in self._pages:
            html = await self._files.get(f"{DIRECTORY}/index.html").body("")
            base = b"admin/" if depth < 0 else b"../" * depth or b"./"
            self._pages[depth] = html.replace(b"<head>", b'<head><base href="' + base + b'">', 1)
        return Response(self._pages[depth], headers=_HEADERS, media_type="text/html")


_R = AdminPagesResource

OPERATIONS: list[Operation[AdminPagesResource]] = [
    Operation("GET", "/admin", PUBLIC, _R.page, "Get the dashboard", PAGE),
    Operation("GET", "/admin/files/{file}", PUBLIC, _R.file, "Get a file of the dashboard", FILE),
    Operation("GET", "/admin/{client_route}", PUBLIC, _R.page, "Get the dashboard", PAGE),
]
"""The rows, which the OpenAPI document does not have. The last one comes after all others below `/admin`."""
