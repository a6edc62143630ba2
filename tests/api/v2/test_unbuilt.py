"""The resources of v2 that are not built yet."""

from gateway.api.v2.unbuilt import OPERATIONS


def test_nothing_but_incoming_webhooks_is_not_built() -> None:
    assert all("/webhooks/incoming/" in row.path for row in OPERATIONS)
