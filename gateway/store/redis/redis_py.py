"""All that depends on the inside of redis-py, in one place; tests/store/redis/test_redis_py.py tells what a new version
has changed.

redis-py opens connections for us, and has no public way to give the socket away.
"""

import asyncio

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError


def detach_writer(connection: AbstractConnection) -> asyncio.StreamWriter:
    """Detach the open socket from a connection of redis-py, which does not use or close it any more."""
    writer = connection._writer
    if writer is None:
        raise RuntimeError("redis-py's connection is not open")
    connection._reader = connection._writer = None
    return writer


def error_reply(problem: Exception) -> str:
    """Return the reply of the server that an exception of redis-py stands for, or "" for one without a reply.

    redis-py removes the first word of a reply whose kind it knows, and keeps it in `status_code`.
    """
    word = getattr(problem, "status_code", None)
    if isinstance(word, str) and word:
        return f"{word} {problem}"
    return str(problem) if isinstance(problem, ResponseError) else ""
