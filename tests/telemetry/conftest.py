"""Fixtures that the tests of the log share."""

from collections.abc import Iterator

import pytest

from tests.telemetry.pipes import Pipe


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe that is closed at the end of the test."""
    pipe = Pipe()
    yield pipe
    pipe.close()
