"""The scenarios, a module each: `run(bench)` adds rows."""

from collections.abc import Callable, Coroutine
from typing import Any

from loadtest.bench import Bench
from loadtest.scenarios import (
    admin,
    broadcast,
    burst,
    catalog,
    connect,
    delivery,
    durability,
    fanout,
    hostile,
    idle,
    listing,
    recovery,
    request,
    soak,
    storm,
    sync,
    unicast,
)

SCENARIOS: dict[str, Callable[[Bench], Coroutine[Any, Any, None]]] = {
    "idle": idle.run,
    "connect": connect.run,
    "fanout": fanout.run,
    "broadcast": broadcast.run,
    "unicast": unicast.run,
    "sync": sync.run,
    "list": listing.run,
    "catalog": catalog.run,
    "admin": admin.run,
    "request": request.run,
    "delivery": delivery.run,
    "storm": storm.run,
    "recovery": recovery.run,
    "hostile": hostile.run,
    "durability": durability.run,
    "burst": burst.run,
    "soak": soak.run,
}
