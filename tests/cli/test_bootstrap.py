"""The preparations of a start before its workers."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import redis

from gateway.cli.bootstrap import bootstrap_differences, restore
from gateway.cli.configuration import read_settings
from gateway.cli.store_access import run_with_projects
from gateway.domain.ids import ProjectId
from gateway.domain.principal import Project
from gateway.settings import Settings
from tests.cli.conftest import fields

if TYPE_CHECKING:
    from gateway.store.projects import ProjectStore

Printed = Callable[..., str]
SETTINGS = Settings(bootstrap_api_key="boot", bootstrap_api_secret="secret of the project")
KEPT = Project(ProjectId("1"), "Bootstrap", "boot", True, ("secret of the project",))


@pytest.fixture
def bootstrapped(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a node with a bootstrap project."""
    environment.setenv("INBOX_BOOTSTRAP_API_KEY", "boot")
    environment.setenv("INBOX_BOOTSTRAP_API_SECRET", "an-API-secret-of-the-project")
    return environment


def prepared() -> "subprocess.CompletedProcess[str]":
    """Run `prepare`, which configures the log of its process, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", "prepare"], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_project_as_the_settings_have_it_differs_in_nothing() -> None:
    assert bootstrap_differences(SETTINGS, KEPT) == []


def test_each_difference_is_a_sentence() -> None:
    secret, hmac = bootstrap_differences(SETTINGS, replace(KEPT, secrets=("another",), hmac_enabled=False))
    assert secret.startswith("INBOX_BOOTSTRAP_API_SECRET is not its API secret")
    assert hmac == "its HMAC is off; `inbox-gateway project set boot --hmac | --no-hmac` changes it"


def test_a_start_creates_the_bootstrap_project_and_never_changes_it(
    bootstrapped: pytest.MonkeyPatch, printed: Printed
) -> None:
    done = prepared()
    assert (done.returncode, done.stdout) == (0, "")
    created = fields(printed("project", "list"))
    assert (created["name"], created["api key"], created["hmac"]) == ("Bootstrap", "boot", "required")
    printed("project", "set", "boot", "--no-hmac")
    done = prepared()
    assert "bootstrap_project_differs" in done.stderr
    assert "hmac_is_off" in done.stderr
    assert fields(printed("project", "list")) == created | {"hmac": "not required"}


def test_a_start_without_a_project_names_the_command(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("INBOX_SECRET_KEY", "aaaa")
    done = prepared()
    assert done.returncode == 0
    assert "inbox-gateway project create NAME" in done.stderr
    assert "secret_key_is_weak" in done.stderr


def test_a_start_on_a_store_without_writes_goes_on(environment: pytest.MonkeyPatch, store: redis.Redis) -> None:
    store.config_set("min-replicas-to-write", 1)
    try:
        done = prepared()
    finally:
        store.config_set("min-replicas-to-write", 0)
    assert done.returncode == 0
    assert "store_takes_no_writes" in done.stderr


def test_a_store_that_lost_its_data_gets_the_bootstrap_project_again(
    bootstrapped: pytest.MonkeyPatch, printed: Printed
) -> None:
    async def work(projects: "ProjectStore") -> None:
        await restore(read_settings(), projects)

    run_with_projects(read_settings(), work)
    assert fields(printed("project", "list"))["api key"] == "boot"


def test_a_store_that_lost_its_data_gets_nothing_without_a_bootstrap_project(
    environment: pytest.MonkeyPatch, printed: Printed
) -> None:
    async def work(projects: "ProjectStore") -> None:
        await restore(read_settings(), projects)

    run_with_projects(read_settings(), work)
    assert printed("project", "list") == ""
