"""The access of commands to the store."""

import socket
from typing import TYPE_CHECKING

import pytest
import redis

from gateway.cli.configuration import read_settings
from gateway.cli.errors import StoreUnusableError
from gateway.cli.store_access import run_with_projects, run_with_workspaces, started_store
from gateway.domain.principal import DEFAULT_WORKSPACE

if TYPE_CHECKING:
    from gateway.store.projects import ProjectStore
    from gateway.store.workspaces import WorkspaceStore


async def nothing(projects: "ProjectStore") -> None:
    """Do nothing with the projects."""


def test_work_is_done_on_the_projects_and_workspaces_of_the_store(environment: pytest.MonkeyPatch) -> None:
    found: list[str] = []

    async def create(projects: "ProjectStore") -> None:
        found.append((await projects.create("Shop", hmac_enabled=True)).name)

    async def read(workspaces: "WorkspaceStore") -> None:
        found.extend(workspace.id for workspace in await workspaces.all())

    run_with_projects(read_settings(), create)
    run_with_workspaces(read)
    assert found == ["Shop", DEFAULT_WORKSPACE]


def test_a_store_that_is_not_there_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    environment.setenv("INBOX_REDIS_URL", f"redis://127.0.0.1:{port}")
    with pytest.raises(StoreUnusableError, match="cannot be used: Connection refused") as unusable:
        run_with_projects(read_settings(), nothing)
    assert unusable.value.may_recover


def test_the_store_of_another_secret_key_is_refused_unless_that_is_no_matter(environment: pytest.MonkeyPatch) -> None:
    run_with_projects(read_settings(), nothing)
    environment.setenv("INBOX_SECRET_KEY", "another secret key of 32 characters")
    with pytest.raises(StoreUnusableError, match="were encrypted with another secret key") as unusable:
        run_with_projects(read_settings(), nothing)
    assert not unusable.value.may_recover
    run_with_projects(read_settings(), nothing, check_secret_key=False)


def test_a_full_store_can_still_be_read(environment: pytest.MonkeyPatch, store: redis.Redis) -> None:
    found: list[int] = []

    async def count(projects: "ProjectStore") -> None:
        found.append(len(await projects.all()))

    run_with_projects(read_settings(), nothing)
    store.config_set("maxmemory", 1)
    try:
        run_with_projects(read_settings(), count)
    finally:
        store.config_set("maxmemory", 0)
    assert found == [0]


def test_a_server_of_ones_own_is_not_started(environment: pytest.MonkeyPatch) -> None:
    settings = read_settings()
    with started_store(settings):
        assert not settings.data_dir.exists()
