"""The Dockerfile, as text. `make image-test` builds and runs it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import click

from gateway.cli import cli
from gateway.revision import revision
from gateway.settings import Settings, variable
from tests.packages.image import READ_ONLY
from tests.test_packaging import EXTRAS

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "deploy" / "container.md"
SETTINGS = {variable(item.name) for item in fields(Settings)}


class Instruction(NamedTuple):
    name: str
    text: str


def stages() -> list[list[Instruction]]:
    """Return the instructions of each stage; the first one is what is before the stages."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M).replace("\\\n", " ")
    found: list[list[Instruction]] = [[]]
    for line in filter(None, text.splitlines()):
        instruction = Instruction(*line.split(None, 1))
        if instruction.name == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


BEFORE, BUILD, FINAL = stages()


def texts(stage: list[Instruction], name: str) -> list[str]:
    return [instruction.text for instruction in stage if instruction.name == name]


def test_both_stages_use_one_base_that_a_release_can_pin() -> None:
    assert texts(BEFORE, "ARG") == ["PYTHON_IMAGE=python:3.13-slim"]
    assert texts(BUILD, "FROM") == ["${PYTHON_IMAGE} AS build"]
    assert texts(FINAL, "FROM") == ["${PYTHON_IMAGE}"]


def test_the_image_runs_as_a_numbered_user_and_installs_nothing_in_its_last_stage() -> None:
    names_in_order = [instruction.name for instruction in FINAL]
    assert texts(FINAL, "USER") == ["10001:10001"]  # Kubernetes can tell that a number is not root
    assert names_in_order.index("USER") < names_in_order.index("CMD")
    assert not re.search(r"\b(pip|apt|apt-get|curl|wget)\b", " ".join(texts(FINAL, "RUN")))


def test_what_the_image_starts_are_commands_and_what_it_sets_are_settings() -> None:
    commands = [texts(FINAL, "CMD")[0], texts(FINAL, "HEALTHCHECK")[0].partition("CMD ")[2]]
    context = click.Context(cli)
    for command in map(json.loads, commands):
        assert command[0] == "inbox-gateway"
        assert cli.get_command(context, command[1]) is not None
    variables = [variable.partition("=")[0] for variable in shlex.split(texts(FINAL, "ENV")[0])]
    assert {name for name in variables if name.startswith("INBOX_")} <= SETTINGS


def test_the_image_has_all_extras_by_default() -> None:
    assert texts(BUILD, "ARG") == [f'EXTRAS="{" ".join(EXTRAS)}"']


def test_the_context_has_what_is_copied_and_nothing_else() -> None:
    copied = {source for text in texts(BUILD, "COPY") for source in text.split()[:-1]}
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored[0] == "*"
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert all(list(ROOT.glob(source)) for source in copied)


def test_the_labels_name_the_version_the_commit_the_source_and_the_licence() -> None:
    (text,) = texts(FINAL, "LABEL")
    labels = dict(label.removeprefix("org.opencontainers.image.").split("=", 1) for label in shlex.split(text))
    arguments = {argument.partition("=")[0] for argument in texts(FINAL, "ARG")[0].split()}
    assert {name for name, value in labels.items() if value.startswith("$")} == {name.lower() for name in arguments}
    assert labels["licenses"] == "Apache-2.0"
    target = (ROOT / "Makefile").read_text()
    assert all(f"--build-arg {argument}=" in target for argument in arguments)


def test_the_metrics_of_an_image_name_the_commit_that_it_was_built_from(tmp_path: Path) -> None:
    (text,) = (text for text in texts(FINAL, "RUN") if "REVISION" in text)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True, timeout=60)
    (packages,) = tmp_path.glob("lib/python*/site-packages")
    shutil.copytree(ROOT / "gateway", packages / "gateway", ignore=lambda folder, names: set(names) - {"__init__.py"})
    environment = {**os.environ, "REVISION": "c" * 40}
    command = ["sh", "-euc", text.replace("/opt/inbox", str(tmp_path))]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=60)
    assert revision(packages / "gateway") == "c" * 12


def test_the_guide_runs_the_image_as_the_test_of_the_image_does() -> None:
    shown = [text for text in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL) if "docker run" in text]
    assert shown
    for text in shown:
        command = shlex.split(text.replace("\\\n", " "))
        assert " ".join(READ_ONLY).lower() in " ".join(command).lower()
