"""Fixtures of the tests of v2."""

from collections.abc import Iterator

import pytest

from tests.api.v2.stored import Stored, running_stored


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """Yield a gateway whose store tests reach directly. Nothing is delivered."""
    with running_stored(tmp_path_factory.mktemp("stored")) as started:
        yield started
