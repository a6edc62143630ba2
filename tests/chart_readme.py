"""Write the table of values in the chart's README from the comments in values.yaml: `python -m tests.chart_readme`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent.parent / "deploy" / "kubernetes"
GUIDE = CHART.parent.parent / "docs" / "deploy" / "kubernetes.md"
HEADING = "## Values\n"

_LINE = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z]+):(?P<rest>.*)")


def described_values() -> Iterator[tuple[str, str]]:
    """Yield the path and the description of each value that has one, in order."""
    path: list[str] = []
    description: list[str] = []
    for line in (CHART / "values.yaml").read_text().splitlines():
        text = line.strip()
        if text.startswith("# -- "):
            description = [text.removeprefix("# -- ")]
        elif text.startswith("#") and description:
            description.append(text.removeprefix("# "))
        elif (match := _LINE.fullmatch(line)) is not None:
            path = [*path[: len(match["indent"]) // 2], match["key"]]
            if description:
                yield ".".join(path), " ".join(description)
            description = []


def guide_values() -> dict[str, Any]:
    """Return the file of values that the guide to Kubernetes shows."""
    shown = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (values,) = (loaded for loaded in map(yaml.safe_load, shown) if "image" in loaded)
    return dict(values)


def table() -> str:
    """Return the values as a table in Markdown."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = ["| value | default | meaning |", "| --- | --- | --- |"]
    for path, description in described_values():
        rows.append(f"| `{path}` | `{json.dumps(_at(values, path))}` | {description} |")
    return "\n".join(rows) + "\n"


def _at(values: dict[str, Any], path: str) -> Any:
    found: Any = values
    for key in path.split("."):
        found = found[key]
    return found


def readme() -> str:
    """Return the README as it must be."""
    before, heading, _ = (CHART / "README.md").read_text().partition(HEADING)
    return f"{before}{heading}\n{table()}"


if __name__ == "__main__":
    (CHART / "README.md").write_text(readme())
