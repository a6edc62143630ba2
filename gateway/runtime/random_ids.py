"""Random ids."""

import os
import random
from uuid import UUID

_VERSION_4 = 0x4000_8000_0000_0000_0000
_RANDOM_BITS = ~0xF000_C000_0000_0000_0000


def new_uuid() -> str:
    """Return a random UUID in its usual form (RFC 9562, UUIDv4).

    UUID objects would take five times as long (measured).
    """
    number = int.from_bytes(os.urandom(16)) & _RANDOM_BITS | _VERSION_4
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid_of_time(now_ms: int) -> str:
    """Return a UUID that sorts by time (RFC 9562, 5.7)."""
    bits = int.from_bytes(os.urandom(10)) >> 6
    value = now_ms << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & (1 << 62) - 1
    return str(UUID(int=value))


def new_epoch() -> str:
    """Return the epoch of a new event log: 8 characters, because every position contains it, and random."""
    return f"{random.getrandbits(32):08x}"
