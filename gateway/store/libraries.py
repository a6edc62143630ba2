"""Deleting function libraries of versions that no running gateway uses any more.

A library's name carries a digest of its code, so an upgrade leaves the old one behind, and functions are part of a
server's data. Every gateway reports its own library every few minutes. A library is deleted by any gateway that finds
it unreported for KEEP_SECONDS, twice in a row: after an outage of Redis, the gateways that still use it have reported
it by the second time. During a rolling upgrade both versions are reported, and so both stay.

A library that was never reported is kept for KEEP_SECONDS from the moment it is first found: gateways of before this
module report nothing. A gateway whose library is missing loads it again at its next call, so deleting one too early (of
a gateway that was paused for a day, or that uses another database of the same server) costs that call milliseconds.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, list_of_bytes, writing_function
from gateway.store.redis.library import NAME_PREFIX, is_library_name
from gateway.store.redis.problems import StoreRefusedError, StoreUnavailableError
from gateway.store.redis.topology import Node
from gateway.telemetry.logs import log

REPORT_SECONDS = 600.0

KEEP_SECONDS = 24 * 3600.0
"""How long an unused library is kept: after a return to the version before, its functions are still loaded."""


def _report(name: str, keep_seconds: float, found: Sequence[str]) -> Arguments:
    return (name, keep_seconds, *found)


REPORT_LIBRARY = writing_function(
    "report_library", "libraries", _report, list_of_bytes, frees_memory=True, durable=False
)


class LibraryCleaner:
    """Reports the library of this gateway, and deletes those that no gateway reports. `run` must be running."""

    def __init__(
        self, client: FunctionClient, keep_seconds: float = KEEP_SECONDS, report_seconds: float = REPORT_SECONDS
    ):
        self._client = client
        self._keep_seconds = keep_seconds
        self._report_seconds = report_seconds
        self._unused: frozenset[str] = frozenset()
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
            await asyncio.sleep(self._report_seconds * random.uniform(0.8, 1.2))

    async def clean(self) -> None:
        """Report the library of this gateway, and delete those that were unused the last time as well.

        Raises StoreUnavailableError.
        """
        by_node = {node: await self._list(node) for node in await self._client.nodes()}
        own = self._client.library.name
        others = {name for names in by_node.values() for name in names} - {own}
        call = REPORT_LIBRARY(keys.LIBRARIES, own, self._keep_seconds, sorted(others))
        unused = frozenset(name.decode() for name in await self._client.call(call)) & others
        for node, names in by_node.items():
            for name in unused & self._unused & names:
                await self._delete(node, name)
        self._unused = unused

    async def _list(self, node: Node) -> frozenset[str]:
        """Return the names of the libraries of any version on a server."""
        reply: list[list[Any]] = await self._client.run_on(node, "FUNCTION", "LIST", "LIBRARYNAME", f"{NAME_PREFIX}*")
        names = (dict(zip(each[::2], each[1::2], strict=True))[b"library_name"].decode() for each in reply)
        return frozenset(name for name in names if is_library_name(name))

    async def _delete(self, node: Node, name: str) -> None:
        try:
            await self._client.run_on(node, "FUNCTION", "DELETE", name)
        except StoreUnavailableError as problem:
            if "Library not found" not in problem.detail:  # else another gateway has just deleted it
                raise
        else:
            log.info("library_deleted", library=name, server=node.name)
