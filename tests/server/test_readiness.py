"""Whether a worker should receive requests."""

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.server.readiness import Readiness
from gateway.store.redis.problems import StoreFormatError, StoreUnavailableError
from tests.live.node import Node


def readiness(**found: Any) -> Readiness:
    """Create the readiness of a worker that is ready except for what is passed."""
    known = {"draining": False, "format_problem": None, "store_problem": None, "subscribed": True} | found
    parts: list[Any] = [
        SimpleNamespace(draining=known["draining"]),
        SimpleNamespace(problem=known["format_problem"]),
        SimpleNamespace(problem=known["store_problem"]),
        SimpleNamespace(healthy=known["subscribed"]),
    ]
    return Readiness(*parts)


def test_a_worker_without_a_problem_is_ready() -> None:
    assert readiness().reason_not_ready() == ""


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"draining": True}, "draining"),
        ({"format_problem": StoreFormatError("another format")}, "store_format_unknown"),
        ({"store_problem": StoreUnavailableError(detail="full", replied=True)}, "redis_unavailable"),
        ({"subscribed": False}, "redis_unavailable"),
        ({"draining": True, "subscribed": False}, "draining"),
    ],
)
def test_a_worker_is_not_ready_for_a_reason(found: dict[str, Any], reason: str) -> None:
    assert readiness(**found).reason_not_ready() == reason


def test_a_single_store_check_without_a_reply_does_not_end_readiness() -> None:
    problem = StoreUnavailableError(detail="timeout", replied=False)
    assert readiness(store_problem=problem).reason_not_ready() == ""


async def test_a_worker_that_serves_is_ready_until_it_drains(node: Node) -> None:
    assert (await node.http.get("/readyz")).status_code == 200
    await node.hub.drain(0)
    response = await node.http.get("/readyz")
    assert response.status_code == 503
    assert "draining" in response.text
