"""The access of commands to the store."""

import socket
import sys
from typing import TYPE_CHECKING

import pytest
import redis

from gateway.cli import main
from gateway.cli.configuration import read_settings
from gateway.cli.errors import StoreUnusableError
from gateway.cli.store_access import run_with_projects, run_with_workspaces, started_store
from gateway.domain.principal import DEFAULT_WORKSPACE
from gateway.store import keys

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


@pytest.mark.parametrize(
    "arguments",
    [("project", "list"), ("token", "--workspace"), ("admin", "list"), ("backup", "-")],
)
def test_a_command_of_an_older_version_says_so_in_one_sentence(
    arguments: tuple[str, ...],
    environment: pytest.MonkeyPatch,
    store: redis.Redis,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.set(keys.STORE_FORMAT, "2")
    monkeypatch.setattr(sys, "argv", ["inbox-gateway", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (1, "")
    (sentence,) = printed.err.splitlines()
    assert "The store is of format 2, and this version of the gateway knows format 1" in sentence
    assert sentence.endswith("serve this store with the version that wrote it, or a newer one.")
    assert store.keys("*") == [keys.STORE_FORMAT.encode()]
