"""The pages of the gateway. Headers restrict what a page loads, and forbid framing it.

A page is a directory of gateway/web/dist: its `index.html`, and the files that it loads from `/web/{page}/`. It has no
inline scripts and styles. Its links are relative, so that it works below a path that a proxy adds.
"""

from starlette.responses import RedirectResponse, Response

from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import Operation
from gateway.api.core.routing import TRAILING_SLASHES
from gateway.api.core.schema import Errors, ResponseSpec
from gateway.api.system.static_files import REVALIDATED, UNCHANGED, StaticFiles

PAGES = ("demo", "demo-device", "demo-protocol", "demo-theme", "docs")
"""The directories whose files are served at `/web/`."""

PAGE = ResponseSpec(200, "The page", media_type="text/html")
FILE = ResponseSpec(200, "The file", media_type="*/*")
NO_SUCH_FILE = ResponseSpec(404, "The page has no such file", Errors)


def policy(**directives: str) -> str:
    """Return a content security policy: the page's own files, and what `directives` replace or add."""
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    rules |= {name.replace("_", "-"): value for name, value in directives.items()}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


class Page:
    """The HTML of a page, with its policy. With `is_framed`, pages of the gateway may frame it, otherwise none."""

    def __init__(self, files: StaticFiles, name: str, content_policy: str, *, is_framed: bool = False):
        self._file = files.get(f"{name}/index.html")
        self._headers = {
            "Cache-Control": REVALIDATED,
            "Content-Security-Policy": content_policy,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "SAMEORIGIN" if is_framed else "DENY",
        }

    async def response(self, call: PublicCall) -> Response:
        """Return the page, or a redirect if its path ends with a slash: its relative links would be wrong there."""
        slashes: int = call.request.noted(TRAILING_SLASHES) or 0
        if slashes:
            path = call.request.path
            prefix = call.forwarded.prefix
            # Without a known prefix, a relative address is used, which needs none.
            return RedirectResponse(f"..{path}" if slashes == 1 and not prefix else prefix + path)
        return await self._file.response(call, self._headers)


class PagesResource:
    """The operations that serve pages."""

    def __init__(self, files: StaticFiles) -> None:
        self._files = files
        self._docs = Page(files, "docs", policy())

    async def docs(self, call: PublicCall) -> Response:
        """Return this documentation as a page."""
        return await self._docs.response(call)

    async def file(self, call: PublicCall) -> Response:
        """Return a file that one of the gateway's own pages loads."""
        page, name = call.text("page"), call.text("file")
        file = self._files.get(f"{page}/{name}" if page in PAGES and name != "index.html" else "")
        return await file.response(call, {"Cache-Control": REVALIDATED})


_R = PagesResource

OPERATIONS: list[Operation[PagesResource]] = [
    Operation("GET", "/docs", PUBLIC, _R.docs, "Get this documentation", PAGE, failures=(UNCHANGED,)),
    Operation(
        "GET",
        "/web/{page}/{file}",
        PUBLIC,
        _R.file,
        "Get a file of a page",
        FILE,
        failures=(UNCHANGED, NO_SUCH_FILE),
    ),
]
