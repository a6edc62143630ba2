"""The workflows of CI and of releases, as text."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.test_dockerfile import FINAL, texts

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def loaded(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_targets_that_exist_for_a_limited_time_with_few_rights(path: Path) -> None:
    workflow = loaded(path)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            assert set(re.findall(r"^\s*make ([a-z-]+)", step.get("run", ""), re.MULTILINE)) <= targets


def test_a_release_sets_every_label_of_the_image_and_a_base_by_its_digest() -> None:
    steps = loaded(ROOT / ".github/workflows/release.yml")["jobs"]["image"]["steps"]
    (build,) = (step["with"] for step in steps if step.get("uses", "").startswith("docker/build-push-action"))
    given = {line.partition("=")[0] for line in build["build-args"].splitlines()}
    assert given == {argument.partition("=")[0] for argument in texts(FINAL, "ARG")[0].split()} | {"PYTHON_IMAGE"}
    assert (build["sbom"], build["provenance"]) == (True, "mode=max")
