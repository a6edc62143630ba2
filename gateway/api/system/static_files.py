"""The files of gateway/web/dist, and the responses with them: validators (RFC 9110, 8.8.3), compression, sharing.

A file is found by its name in an index that is made when a worker starts, never by a path in the file system. It is
read at its first request, in a thread, and then kept as it was sent, compressed or not: what nobody requests takes no
memory.

There is gzip and no Brotli. The bell would have 10 % fewer bytes (`npm run build` prints both), which is 1.5 KB once a
release and browser; the library for it is a dependency in C with a megabyte of code.
"""

import asyncio
import base64
import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.responses import Response

from gateway.api.core.call import PublicCall
from gateway.api.core.cors import ALLOWED_ORIGINS, SHARED
from gateway.api.core.problems import not_found
from gateway.api.core.schema import ResponseSpec
from gateway.domain.errors import ErrorCode, api_error

REVALIDATED = "no-cache"
IMMUTABLE = "public, max-age=31536000, immutable"

UNCHANGED = ResponseSpec(304, "`If-None-Match` has the tag of the file: the client's copy is up to date")

_TEXTS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
_IMAGES = {".png": "image/png", ".webp": "image/webp", ".woff2": "font/woff2"}
"""Files that are compressed already."""

_SHARED = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
"""Module scripts are fetched with CORS, and a page may have Cross-Origin-Embedder-Policy. A cache keeps these headers
with the file, so they are the same for every origin."""

_LARGE_ENOUGH = 256
"""Bytes from which a file is compressed. A smaller one would fit in the same packet."""

_REFUSED = re.compile(r";\s*q=0(\.0*)?\s*$")


class StaticFile:
    """One file of dist."""

    def __init__(self, source: Traversable):
        content = source.read_bytes()
        suffix = source.name[source.name.rindex(".") :]
        self.name = source.name
        self.media_type = _TEXTS.get(suffix) or _IMAGES[suffix]
        self.integrity = f"sha384-{base64.b64encode(hashlib.sha384(content).digest()).decode()}"
        self._source = source
        self._tag = hashlib.sha256(content).hexdigest()[:32]
        self._is_compressible = suffix in _TEXTS and len(content) >= _LARGE_ENOUGH
        self._bodies: dict[str, bytes] = {}

    async def response(self, call: PublicCall, headers: Mapping[str, str]) -> Response:
        """Return the file, or a 304 if the client has it. Raises ApiError 404 if it was replaced since the start."""
        encoding = "gzip" if self._is_compressible and accepts_gzip(call.request.headers) else ""
        tag = f'"{self._tag}-gzip"' if encoding else f'"{self._tag}"'
        headers = {"ETag": tag, **headers}
        if self._is_compressible:
            headers["Vary"] = "Accept-Encoding"
        if has_tag(call.request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        if encoding:
            headers["Content-Encoding"] = encoding
        return Response(await self.body(encoding), headers=headers, media_type=self.media_type)

    async def body(self, encoding: str) -> bytes:
        """Return the content, compressed if `encoding` is `gzip`. Raises ApiError 404 if it was replaced meanwhile."""
        body = self._bodies.get(encoding)
        if body is None:
            body = self._bodies[encoding] = await asyncio.to_thread(self._encoded, encoding)
        return body

    def _encoded(self, encoding: str) -> bytes:
        content = self._source.read_bytes()
        if hashlib.sha256(content).hexdigest()[:32] != self._tag:
            # An upgrade has begun. Browsers would keep the new file under the old version's address.
            raise api_error(ErrorCode.NOT_FOUND, f"{self.name} was replaced by an upgrade. Restart the gateway")
        return gzip.compress(content, 9, mtime=0) if encoding else content  # the same bytes in every worker


class StaticFiles:
    """The files of dist by their path in it, such as `client.js` or `demo/main.js`."""

    def __init__(self, directory: Traversable | None = None):
        self._files = dict(_walk(directory or files("gateway") / "web" / "dist"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def get(self, name: str) -> StaticFile:
        """Return a file. Raises ApiError 404."""
        file = self._files.get(name)
        if file is None:
            raise not_found("File")
        return file

    async def shared(self, call: PublicCall, name: str, cache_control: str, **headers: str) -> Response:
        """Return a file that pages of every origin may load. Raises ApiError 404."""
        response = await self.get(name).response(call, {"Cache-Control": cache_control, **_SHARED, **headers})
        call.request.note(ALLOWED_ORIGINS, SHARED)
        return response


def accepts_gzip(headers: Mapping[str, str]) -> bool:
    """Return whether a client accepts gzip (RFC 9110, 12.5.3)."""
    for coding in headers.get("accept-encoding", "").lower().split(","):
        name = coding.partition(";")[0].strip()
        if name in ("gzip", "x-gzip"):
            return not _REFUSED.search(coding)
    return False


def has_tag(condition: str, tag: str) -> bool:
    """Return whether an `If-None-Match` has a tag. Proxies that compress make tags weak (RFC 9110, 13.1.2)."""
    return condition.strip() == "*" or tag in (part.strip().removeprefix("W/") for part in condition.split(","))


def _walk(directory: Traversable, prefix: str = "") -> Iterator[tuple[str, StaticFile]]:
    for entry in directory.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", StaticFile(entry)
