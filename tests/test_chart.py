"""The Helm chart, as text. `make charts` renders it with Helm, and validates the objects by Kubernetes' schemas."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it ships no types
import pytest
import yaml

from gateway import __version__
from gateway.settings import Settings, variable
from tests.chart_readme import CHART, GUIDE, described_values, guide_values, readme

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
TEMPLATES = "".join(path.read_text() for path in sorted((CHART / "templates").iterdir()))


def leaves(values: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the path of each value that is not a group of values."""
    for key, value in values.items():
        described = f"{path}{key}"
        if isinstance(value, dict) and value and key != "resources":
            yield from leaves(value, f"{described}.")
        else:
            yield described


def test_the_chart_has_the_version_of_the_gateway() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_the_readme_describes_every_value() -> None:
    assert [path for path, _ in described_values()] == list(leaves(VALUES))
    assert (CHART / "README.md").read_text() == readme(), "run `.venv/bin/python -m tests.chart_readme`"


def test_every_value_is_used_and_every_name_in_a_template_is_a_value() -> None:
    used = set(re.findall(r"\.Values\.([A-Za-z.]+)", TEMPLATES))
    known = set(leaves(VALUES))
    groups = {path.rpartition(".")[0] for path in known}
    assert not {path for path in used if path not in known | groups}
    parts = {path for path in used if path in groups}  # passed on as a whole
    assert not {path for path in known if path not in used and path.rpartition(".")[0] not in parts}


@pytest.mark.parametrize(
    "wrong",
    [
        {"gatewy": {}},
        {"gateway": {"replicas": "two"}},
        {"settings": {"INBOX_REDIS_URL": "redis://:secret@host"}},
        {"settings": {"REDIS_URL": "redis://host"}},
        {"redis": {"url": "http://host"}},
        {"secret": {"secretKey": "short"}},
    ],
)
def test_the_schema_accepts_the_defaults_and_refuses_what_is_wrong(wrong: dict[str, Any]) -> None:
    jsonschema.validate(VALUES, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_every_setting_in_the_chart_is_one_of_the_gateway() -> None:
    names = {variable(item.name) for item in fields(Settings)}
    text = TEMPLATES + (CHART / "values.yaml").read_text() + (CHART / "values.schema.json").read_text()
    assert set(re.findall(r"\bINBOX_[A-Z_]*[A-Z]\b(?!\[)", text)) <= names


def test_the_guide_shows_values_and_names_of_the_chart() -> None:
    jsonschema.validate(guide_values(), SCHEMA)
    text = GUIDE.read_text()
    assert set(re.findall(r"`((?:[a-z]\w+\.)+[a-zA-Z]+)(?:: true)?`", text)) - {"values.yaml"} <= {
        *leaves(VALUES),
        *(path.rpartition(".")[0] for path in leaves(VALUES)),
    }
