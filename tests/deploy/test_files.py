"""What the files below deploy/ name exists: settings, files of the repository, commands."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from gateway.cli import cli
from gateway.settings import NO_SETTINGS, Settings, secret_file, variable
from tests.deploy.fronts import DEPLOY

FILES = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and "secrets" not in path.parts]
SETTINGS = {variable(item.name) for item in fields(Settings)}
SECRET_FILES = {secret_file(item.name) for item in fields(Settings) if item.metadata["secret"]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_settings_pages_and_commands_exist(path: Path) -> None:
    text = path.read_text()
    named = set(re.findall(r"\bINBOX_[A-Z_]*[A-Z]\b(?!_)", text))
    assert named <= SETTINGS | SECRET_FILES | NO_SETTINGS
    for page in re.findall(r"\bdocs/[\w./-]+\.md\b", text):
        assert (DEPLOY.parent / page).is_file(), page
    # `inbox-gateway serve`, also as a list; not the name of a job, a release, a user, a file or an image.
    for command in re.findall(r"(?:[`\[/]|-- |CMD, )inbox-gateway,? ([a-z]+)\b", text):
        assert command in cli.commands, command
