"""Fixtures of the tests of the dashboard: one gateway for all of them, and a page for each role."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.dashboard.dashboard import Dashboard, dashboard_of
from tests.browser.dashboard.instance import EDITOR, OWNER, VIEWER, Instance, running_instance


@pytest.fixture(scope="package")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Yield a gateway with admins and a project. Tests change users and settings of their own only."""
    with running_instance(tmp_path_factory.mktemp("d")) as started:
        yield started


@pytest.fixture
def owner(browser: Browser, instance: Instance) -> Iterator[Dashboard]:
    """Yield a page of an owner."""
    with dashboard_of(browser, instance, OWNER) as found:
        yield found


@pytest.fixture
def editor(browser: Browser, instance: Instance) -> Iterator[Dashboard]:
    """Yield a page of an editor."""
    with dashboard_of(browser, instance, EDITOR) as found:
        yield found


@pytest.fixture
def viewer(browser: Browser, instance: Instance) -> Iterator[Dashboard]:
    """Yield a page of a viewer."""
    with dashboard_of(browser, instance, VIEWER) as found:
        yield found


@pytest.fixture
def guest(browser: Browser, instance: Instance) -> Iterator[Dashboard]:
    """Yield a page without a session."""
    with dashboard_of(browser, instance, None) as found:
        yield found
