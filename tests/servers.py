"""Real servers for tests: those that the load tests start."""

from loadtest.servers.gateway import (
    ADMIN,
    API_KEY,
    API_SECRET,
    Gateway,
    running_gateway,
    user_headers,
    user_hmac,
)
from loadtest.servers.redis_server import SERVER_BINARIES, RedisServer, running_redis
from loadtest.servers.starting import START_SECONDS, free_port, wait_for

__all__ = [
    "ADMIN",
    "API_KEY",
    "API_SECRET",
    "SERVER_BINARIES",
    "START_SECONDS",
    "Gateway",
    "RedisServer",
    "free_port",
    "running_gateway",
    "running_redis",
    "user_headers",
    "user_hmac",
    "wait_for",
]
