"""The files that pages of every origin load: the client, the bell, and what the bell loads when it needs it.

An address with the version of the gateway never changes its content, so that caches keep it and a page can pin its
hash. An address without one follows the gateway: caches ask each time whether it is still the same.
"""

import msgspec
from starlette.responses import Response

from gateway import __version__
from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import Errors, Hash, ResponseSpec
from gateway.api.system.static_files import IMMUTABLE, REVALIDATED, UNCHANGED, StaticFiles
from gateway.domain.errors import ErrorCode, api_error

_MODULES = ("client.js", "inbox-bell.js")
_WORKER = "assets/push-worker.js"
_TAG = "Browser files"

SCRIPT = ResponseSpec(200, "The script", media_type="text/javascript")
TYPES = ResponseSpec(200, "The types", media_type="text/plain")
SOURCE_MAP = ResponseSpec(200, "The source map", Hash)
NO_SUCH_FILE = ResponseSpec(404, "There is no such file, or the gateway has another version", Errors)


class Integrity(msgspec.Struct):
    """The hashes of files, for `integrity` attributes and import maps (Subresource Integrity)."""

    version: str
    files: dict[str, str]


HASHES = ResponseSpec(200, "The hashes", Integrity)


class BrowserFilesResource:
    """The operations that serve files to pages of every origin."""

    def __init__(self, files: StaticFiles):
        self._files = files

    async def file(self, call: PublicCall, name: str) -> Response:
        """Return a file at its address without a version."""
        return await self._files.shared(call, name, REVALIDATED)

    async def pinned(self, call: PublicCall, name: str) -> Response:
        """Return a file at its address with a version. Raises ApiError 404 for another version than this one."""
        version = call.text("version")
        if version != __version__:
            raise api_error(ErrorCode.NOT_FOUND, f"This gateway has version {__version__}, not {version}")
        # A service worker may control pages outside its own directory only if this header allows it. No other script
        # may be registered as one.
        allowed = {"Service-Worker-Allowed": "/"} if name == _WORKER else {}
        return await self._files.shared(call, name, IMMUTABLE, **allowed)

    async def asset(self, call: PublicCall) -> Response:
        """Return a file that the bell loads when it needs it, such as a translation. It never changes."""
        return await self.pinned(call, f"assets/{call.text('file')}")

    async def integrity(self, call: PublicCall) -> Response:
        """Return the hash of every script that has the version in its address.

        The addresses are relative to the gateway. After an upgrade, the old addresses respond with 404: a page that
        pins a version changes together with the gateway.
        """
        hashes = {_pinned_address(name): self._files.get(name).integrity for name in sorted(self._files)}
        hashes.pop("", None)
        return json_response({"version": __version__, "files": hashes}, headers={"Cache-Control": REVALIDATED})


def _pinned_address(name: str) -> str:
    """Return the address of a script of dist with the version in it, "" if the file has none."""
    if name in _MODULES:
        return f"{name.removesuffix('.js')}@{__version__}.js"
    directory, _, file = name.rpartition("/")
    return f"inbox-assets/{__version__}/{file}" if directory == "assets" and file.endswith(".js") else ""


def _row(
    path: str, name: str, summary: str, success: ResponseSpec, description: str
) -> Operation[BrowserFilesResource]:
    """Return the row of one file of dist. Its address has a version or not."""
    is_pinned = "{version}" in path

    async def serve(resource: BrowserFilesResource, call: PublicCall) -> Response:
        return await (resource.pinned if is_pinned else resource.file)(call, name)

    serve.__doc__ = description
    return Operation("GET", path, PUBLIC, serve, summary, success, failures=(UNCHANGED, NO_SUCH_FILE), tag=_TAG)


def _rows(name: str, what: str, description: str) -> list[Operation[BrowserFilesResource]]:
    """Return the rows of a module, of its types and of its source map."""
    script, pinned = f"/{name}.js", f"/{name}@{{version}}.js"
    pinned_text = f"Return the module `{script}` of exactly this version of the gateway. It never changes."
    types_text, map_text = f"Return the TypeScript types of `{script}`.", f"Return the source map of `{script}`."
    return [
        _row(script, f"{name}.js", f"Get {what}", SCRIPT, description),
        _row(pinned, f"{name}.js", f"Get {what}, pinned", SCRIPT, pinned_text),
        _row(f"/{name}.d.ts", f"{name}.d.ts", f"Get the types of {what}", TYPES, types_text),
        _row(f"{script}.map", f"{name}.js.map", f"Get the source map of {what}", SOURCE_MAP, map_text),
    ]


_R = BrowserFilesResource

OPERATIONS: list[Operation[BrowserFilesResource]] = [
    *_rows(
        "client",
        "the browser client",
        "Return the browser client, an ECMAScript module. Pages of any origin may import it.",
    ),
    *_rows(
        "inbox-bell",
        "the bell",
        "Return the module that defines `<inbox-bell>`, `<inbox-list>` and `<inbox-preferences>`, for pages of any "
        "origin.",
    ),
    _row(
        "/push-worker.js",
        _WORKER,
        "Get the service worker for web push",
        SCRIPT,
        "Return a script for the service worker of a site: it shows push messages. A service worker is of the origin "
        "of its site, so the site's own script imports this one, with `importScripts`.",
    ),
    Operation(
        "GET",
        "/inbox-assets/{version}/{file}",
        PUBLIC,
        _R.asset,
        "Get a file that the bell loads",
        SCRIPT,
        failures=(UNCHANGED, NO_SUCH_FILE),
        tag=_TAG,
    ),
    Operation("GET", "/integrity.json", PUBLIC, _R.integrity, "Get the hashes of scripts", HASHES, tag=_TAG),
]
