"""Real servers for tests: those that the load tests start."""

from loadtest.check.servers import (
    ADMIN,
    API_KEY,
    API_SECRET,
    SERVER_BINARIES,
    START_SECONDS,
    Gateway,
    RedisServer,
    free_port,
    running_gateway,
    running_redis,
    user_headers,
    user_hmac,
    wait_for,
)

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
