"""The examples of CONTRIBUTING.md are complete, and pass the type checker."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from gateway.api.core import openapi
from gateway.api.system.transports import TRANSPORTS

ROOT = Path(__file__).parent.parent
EXAMPLES = [
    textwrap.dedent(text)
    for text in re.findall(
        r"^ *```python\n(.*?)^ *```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE
    )
]


def test_there_is_an_example_of_a_resource_and_one_of_a_redis_function() -> None:
    assert ["GreetingsResource" in example for example in EXAMPLES] == [True, False]


@pytest.mark.parametrize("example", EXAMPLES, ids=["resource", "function"])
def test_an_example_passes_the_type_checker(example: str, tmp_path: Path) -> None:
    module = tmp_path / "example.py"
    module.write_text(example)
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(module)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_resource_is_in_the_openapi_document() -> None:
    names: dict[str, Any] = {"__name__": "tests.greetings"}
    exec(compile(EXAMPLES[0], "greetings.py", "exec"), names)  # noqa: S102 - our own documentation
    described = openapi.document(names["OPERATIONS"], TRANSPORTS)["paths"]["/greetings"]["get"]
    assert described["description"] == "Return a greeting for the user."
