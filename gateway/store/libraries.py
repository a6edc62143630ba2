"""The deletion of function libraries of versions that no running gateway uses any more.

A library's name carries a digest of its code, so an upgrade leaves the old one behind, and functions are part of a
server's data. Every gateway reports its own library every few minutes. A library is deleted by any gateway that finds
it unreported for KEEP_SECONDS, and still unreported when every running gateway has had time to report (GRACE): after an
outage of Redis longer than KEEP_SECONDS, all reports are old. During a rolling upgrade both versions are reported, and
so both stay.

A library that was never reported is kept for KEEP_SECONDS after it is first found, because gateways older than this
module do not report. A gateway whose library is missing loads it again at its next call. So an early deletion costs
that call milliseconds, at most once in KEEP_SECONDS. It may happen to a gateway that is older than this module, was
paused for a day, or uses another database of the same server. A server that is out of memory would refuse to load the
library, so nothing is deleted on a server that is almost full.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, list_of_bytes, writing_function
from gateway.store.redis.library import NAME_PREFIX, is_library_name
from gateway.store.redis.problems import StoreRefusedError, StoreUnavailableError
from gateway.store.redis.topology import Node
from gateway.telemetry.logs import log

REPORT_SECONDS = 600.0

JITTER = 0.2
"""The part by which the time between two reports is randomly longer or shorter."""

GRACE = 1.5
"""How long a gateway must find a library unused before it deletes it, in REPORT_SECONDS. Greater than 1 + JITTER."""

ALMOST_FULL = 0.9
"""The part of a server's maxmemory above which no library is deleted."""

KEEP_SECONDS = 24 * 3600.0
"""How long an unused library is kept, so that its functions are still loaded after a return to its version."""


def _report(name: str, keep_seconds: float, found: Sequence[str]) -> Arguments:
    return (name, keep_seconds, *found)


REPORT_LIBRARY = writing_function(
    "report_library", "libraries", _report, list_of_bytes, frees_memory=True, durable=False
)


async def _nothing() -> None:
    pass


class LibraryCleaner:
    """Reports the library of this gateway, and deletes those that no gateway reports. `run` must be running.

    `after_deletion` is called when libraries were deleted: the gateways that used them are gone.
    """

    def __init__(
        self,
        client: FunctionClient,
        keep_seconds: float = KEEP_SECONDS,
        report_seconds: float = REPORT_SECONDS,
        after_deletion: Callable[[], Awaitable[None]] = _nothing,
    ):
        self._client = client
        self._after_deletion = after_deletion
        self._keep_seconds = keep_seconds
        self._report_seconds = report_seconds
        self._unused_since: Mapping[str, float] = {}
        self._refused = False

    async def run(self) -> None:
        """Report and delete until cancelled."""
        while True:
            try:
                await self.clean()
            except StoreRefusedError as problem:
                if not self._refused:  # the gateway works without these permissions, and old libraries stay
                    log.warning("libraries_not_cleaned", problem=problem.detail)
                self._refused = True
            except StoreUnavailableError:
                pass  # the library is reported when the store is back
            await asyncio.sleep(self._report_seconds * random.uniform(1 - JITTER, 1 + JITTER))

    async def clean(self) -> None:
        """Report the library of this gateway, and delete those that have been unused for long enough.

        Raises StoreUnavailableError.
        """
        by_node = {node: await self._list(node) for node in await self._client.nodes()}
        found = frozenset(name for names in by_node.values() for name in names)
        unused = await self._report_own(found)
        now = time.monotonic()
        self._unused_since = {name: self._unused_since.get(name, now) for name in unused}
        due = {name for name, since in self._unused_since.items() if now - since >= GRACE * self._report_seconds}
        kept = set()
        for node, names in by_node.items():
            if due & names and await self._is_almost_full(node):
                kept |= due & names
            else:
                for name in due & names:
                    await self._delete(node, name)
        if due - kept:
            # Without its report, a library that is loaded again is kept as long as one that was never reported.
            await self._report_own(found - (due - kept))
            await self._after_deletion()

    async def _report_own(self, found: Iterable[str]) -> frozenset[str]:
        """Report this gateway's library, remove the reports of libraries not in `found`, and return the unused ones."""
        own = self._client.library.name
        others = frozenset(found) - {own}
        call = REPORT_LIBRARY(keys.LIBRARIES, own, self._keep_seconds, sorted(others))
        return frozenset(name.decode() for name in await self._client.call(call)) & others

    async def _list(self, node: Node) -> frozenset[str]:
        """Return the names of the libraries of any version on a server."""
        reply: list[list[Any]] = await self._client.run_on(node, "FUNCTION", "LIST", "LIBRARYNAME", f"{NAME_PREFIX}*")
        return frozenset(_own_libraries(dict(zip(each[::2], each[1::2], strict=True)) for each in reply))

    async def _is_almost_full(self, node: Node) -> bool:
        """Return whether a server could be out of memory when a gateway loads its library again."""
        reply: bytes = await self._client.run_on(node, "INFO", "memory")
        memory = dict(line.split(":", 1) for line in reply.decode(errors="replace").splitlines() if ":" in line)
        limit = int(memory.get("maxmemory", 0))
        return limit > 0 and int(memory["used_memory"]) > ALMOST_FULL * limit

    async def _delete(self, node: Node, name: str) -> None:
        try:
            await self._client.run_on(node, "FUNCTION", "DELETE", name)
        except StoreUnavailableError as problem:
            if "Library not found" not in problem.detail:  # else another gateway has just deleted it
                raise
        else:
            log.info("library_deleted", library=name, server=node.name)


def _own_libraries(listed: Iterable[Mapping[bytes, Any]]) -> Iterator[str]:
    """Yield the names of the listed libraries that a gateway loaded. The names of their functions begin with them.

    Another application may have a library with such a name.
    """
    for library in listed:
        name: str = library[b"library_name"].decode(errors="replace")
        functions = [dict(zip(each[::2], each[1::2], strict=True))[b"name"] for each in library[b"functions"]]
        if is_library_name(name) and all(function.startswith(f"{name}_".encode()) for function in functions):
            yield name
