"""The format of the store. This version supports one format, and refuses a store of any other.

`store/keys.py` describes where formats are written. The format of the store is read every second, because a newer
gateway may be started beside this one. In a store of the supported format, a record of another format is refused by the
function that reads it.
"""

import asyncio

from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import no_arguments, reading_function
from gateway.store.redis.problems import StoreFormatError, StoreUnavailableError
from gateway.telemetry.logs import log

CHECK_SECONDS = 1.0

RESTORING = "restoring"
"""The format of a store into which a backup is being restored. No gateway uses it."""

_READ_FORMAT = reading_function("read_format", "projects", no_arguments, bytes)


async def check_format(client: FunctionClient) -> None:
    """Raise StoreFormatError if the store has another format. Raises StoreUnavailableError."""
    found = (await client.call(_READ_FORMAT(keys.PROJECTS))).decode(errors="replace")
    if found not in ("", keys.FORMAT):
        raise StoreFormatError(sentence(found))


def sentence(found: str) -> str:
    """Return the message about a store of another format, for the operator."""
    if found == RESTORING:
        return "The restoration of a backup into this store was interrupted, or is under way"
    if found == "unknown":
        return f"The store was written by a gateway of before format {keys.FORMAT}, and this version knows only that"
    return f"The store is of format {found}, and this version of the gateway knows format {keys.FORMAT}"


class FormatWatch:
    """Checks the format of the store. `run` must be running."""

    def __init__(self, client: FunctionClient):
        self._client = client
        self.problem: StoreFormatError | None = None
        """The reason for which this node must not use the store now, or None."""

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(CHECK_SECONDS)

    async def check(self) -> None:
        """Check once. While the store cannot be reached, `problem` does not change."""
        try:
            await check_format(self._client)
        except StoreFormatError as problem:
            if self.problem is None:
                log.error("store_format_unknown", problem=problem.cause)
            self.problem = problem
        except StoreUnavailableError:
            pass
        else:
            if self.problem is not None:
                log.info("store_format_known_again")
            self.problem = None
