"""The demo project and the files with its keys."""

import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.cli.configuration import read_settings
from gateway.cli.demo import (
    DemoKeys,
    ensure_demo,
    environment_path,
    exports,
    keys_path,
    read_demo_keys,
    write_demo_keys,
    write_environment,
)
from gateway.cli.errors import DemoKeysError
from gateway.cli.store_access import run_with_projects
from gateway.domain.principal import Project
from gateway.settings import Settings
from gateway.store.project_deletion import ProjectDeletion

if TYPE_CHECKING:
    from gateway.store.projects import ProjectStore

KEYS = DemoKeys("demo_key", "it's a secret", shown=True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def test_keys_are_read_as_they_were_written_and_are_private(settings: Settings) -> None:
    assert read_demo_keys(settings) is None
    write_demo_keys(settings, KEYS)
    assert read_demo_keys(settings) == KEYS
    assert keys_path(settings).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"api_key": "k"}'])
def test_a_damaged_file_is_named(settings: Settings, text: str) -> None:
    keys_path(settings).write_text(text)
    with pytest.raises(DemoKeysError, match=r"demo-project\.json is damaged: remove it"):
        read_demo_keys(settings)


def test_a_shell_reads_the_keys_as_they_are(settings: Settings) -> None:
    write_environment(settings, KEYS, "http://127.0.0.1:8000")
    script = f'. {environment_path(settings)} && printf "%s|%s|%s" "$INBOX" "$API_KEY" "$API_SECRET"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "http://127.0.0.1:8000|demo_key|it's a secret"
    assert environment_path(settings).stat().st_mode & 0o777 == 0o600
    assert exports("http://127.0.0.1:8000", KEYS) in environment_path(settings).read_text()


# ---- the project


def on_projects(work: "Callable[[ProjectStore], Awaitable[None]]") -> list[Project]:
    """Do some work on the store, and return its projects."""
    found: list[Project] = []

    async def and_list(projects: "ProjectStore") -> None:
        await work(projects)
        found.extend(await projects.all())

    run_with_projects(read_settings(), and_list)
    return found


async def keep(projects: "ProjectStore") -> None:
    from gateway.store.project_audit import audit_projects

    await ensure_demo(read_settings(), projects, await audit_projects(projects))


def test_the_demo_project_is_created_once(environment: pytest.MonkeyPatch) -> None:
    (created,) = on_projects(keep)
    assert created.hmac_enabled
    assert read_demo_keys(read_settings()) == DemoKeys(created.api_key, created.secrets[0])
    assert on_projects(keep) == [created]


def test_lost_keys_are_those_of_the_project_that_exists(environment: pytest.MonkeyPatch) -> None:
    (created,) = on_projects(keep)
    keys_path(read_settings()).unlink()
    assert on_projects(keep) == [created]
    assert read_demo_keys(read_settings()) == DemoKeys(created.api_key, created.secrets[0])


def test_a_rotated_secret_is_written_to_the_file(environment: pytest.MonkeyPatch) -> None:
    (created,) = on_projects(keep)

    async def rotate(projects: "ProjectStore") -> None:
        await projects.rotate_secret(created.api_key, 0)
        await keep(projects)

    (rotated,) = on_projects(rotate)
    assert rotated.secrets != created.secrets
    assert read_demo_keys(read_settings()) == DemoKeys(created.api_key, rotated.secrets[0])


def test_a_demo_project_that_was_deleted_beside_others_is_not_created_again(environment: pytest.MonkeyPatch) -> None:
    (created,) = on_projects(keep)

    async def delete(projects: "ProjectStore") -> None:
        await projects.create("Shop", hmac_enabled=True)
        await ProjectDeletion(projects).delete(created)
        await keep(projects)

    assert [project.name for project in on_projects(delete)] == ["Shop"]


def test_with_the_demo_on_it_is_created_again_beside_others(environment: pytest.MonkeyPatch) -> None:
    (created,) = on_projects(keep)
    environment.setenv("INBOX_DEMO", "on")

    async def delete(projects: "ProjectStore") -> None:
        await projects.create("Shop", hmac_enabled=True)
        await ProjectDeletion(projects).delete(created)
        await keep(projects)

    assert sorted(project.name for project in on_projects(delete)) == ["Demo", "Shop"]
