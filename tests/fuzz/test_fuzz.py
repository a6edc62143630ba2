"""Any input gets a clear response and causes no internal error. `make fuzz` tries more inputs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.areas import AREAS, Area
from tests.fuzz.target import FuzzTarget, running_target

EXAMPLES = 60


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FuzzTarget]:
    with running_target(tmp_path_factory.mktemp("fuzzed")) as started:
        yield started


@pytest.mark.parametrize(
    ("area", "path"), [(area, path) for area in AREAS for path in area.kept], ids=lambda of: of.name.split(".")[0]
)
def test_the_gateway_handles_the_inputs_of_the_corpus(target: FuzzTarget, area: Area, path: Path) -> None:
    area.attempt(target, json.loads(path.read_text()))


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.name)
@settings(
    max_examples=EXAMPLES,
    phases=(Phase.generate, Phase.shrink),
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_the_gateway_handles_any_input(target: FuzzTarget, area: Area, data: st.DataObject) -> None:
    area.attempt(target, data.draw(area.inputs))
