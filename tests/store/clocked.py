"""A client whose functions read a clock that the test moves, instead of the server's."""

import copy
import itertools

from gateway.store.library import LIBRARY
from gateway.store.redis.library import Library
from tests.store.conftest import InspectedClient

_CLOCK = """  local time = call('TIME')
  return 1000 * time[1] + math.floor(time[2] / 1000)"""

_TEST_CLOCK = "  return test_clock"

_REGISTERED = """redis.register_function('set_test_clock', function(keys, args) test_clock = tonumber(args[1]) end)
local function now_ms()"""


def clocked_library() -> Library:
    """Return the library, with a clock of its own for what is in milliseconds."""
    assert _CLOCK in LIBRARY.code
    clocked = copy.copy(LIBRARY)
    code = LIBRARY.code.replace(_CLOCK, _TEST_CLOCK).replace(
        "local function now_ms()", "local test_clock = 0\n" + _REGISTERED, 1
    )
    clocked.name, clocked.code = "inbox_clocked", code.replace(LIBRARY.name, "inbox_clocked")
    return clocked


class ClockedClient(InspectedClient):
    """A client of such a library. `now_ms` is the time that its functions read."""

    def __init__(self, url: str):
        super().__init__(url, clocked_library())
        self.now_ms = 1_700_000_000_000
        self._calls = itertools.count(1)

    async def prepare(self) -> None:
        """Load the library, and set its clock."""
        await self.load()
        await self.pass_ms(0)

    async def pass_ms(self, ms: int) -> None:
        """Let time pass."""
        self.now_ms += ms
        await self.redis.execute_command("FCALL", "set_test_clock", 0, self.now_ms)

    def monotonic(self) -> float:
        """Return a time so much later than the last that nothing is cached."""
        return 1000.0 * next(self._calls)
