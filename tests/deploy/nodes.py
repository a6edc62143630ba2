"""Two nodes of the gateway on one store, behind a proxy on this machine."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.servers import Gateway, running_gateway, running_redis


@contextlib.contextmanager
def running_nodes(make_directory: Callable[[str], Path]) -> Iterator[list[Gateway]]:
    """Run two nodes for a block. They trust the address 127.0.0.1 alone, so clients must have another one."""
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(running_redis("valkey", make_directory("store")))
        settings = {
            "INBOX_REDIS_URL": redis.url,
            "INBOX_SECRET_KEY": "the-same-key-on-every-node-of-the-test",
            "INBOX_TRUSTED_PROXIES": "127.0.0.1",
        }
        yield [stack.enter_context(running_gateway(make_directory("node") / "data", **settings)) for _ in range(2)]
