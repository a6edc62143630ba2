"""Fixtures that tests of the delivery share with those of the store."""

from tests.store.conftest import client, store

__all__ = ["client", "store"]
