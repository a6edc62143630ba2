"""The code that depends on internals of redis-py. tests/store/redis/test_redis_py.py shows what a new version changes.

redis-py opens connections for the gateway, and has no public way to take over the socket.
"""

import asyncio

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError


def detach_writer(connection: AbstractConnection) -> asyncio.StreamWriter:
    """Return the writer of a connection of redis-py, which no longer uses or closes the socket. Raises RuntimeError."""
    writer = connection._writer
    if writer is None:
        raise RuntimeError("redis-py's connection is not open")
    connection._reader = connection._writer = None
    return writer


def error_reply(problem: Exception) -> str:
    """Return the error reply that caused an exception of redis-py, or "" if no reply did.

    redis-py removes the first word of some kinds of replies, and keeps that word in `status_code`.
    """
    word = getattr(problem, "status_code", None)
    if isinstance(word, str) and word:
        return f"{word} {problem}"
    return str(problem) if isinstance(problem, ResponseError) else ""
