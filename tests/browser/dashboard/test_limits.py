"""Limits of a project: an admin sets one, and everybody sees how much of it is used."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.dashboard.dashboard import Dashboard
from tests.browser.dashboard.instance import OWNER, Instance


@pytest.fixture
def without_limits(instance: Instance) -> Iterator[None]:
    """Remove the limits afterwards: the project is that of other tests too."""
    yield
    instance.api(OWNER, "PATCH", f"projects/{instance.project_id}", json={"max_users": 0, "max_sends_per_month": 0})


def shot(page: Dashboard, name: str) -> None:
    """Keep a picture of both themes for somebody who looks, if LIMITS_SHOTS names a directory."""
    for scheme in ("light", "dark"):
        page.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert axe.violations(page.page, "main") == []
        if directory := os.environ.get("LIMITS_SHOTS"):
            page.page.screenshot(path=str(Path(directory) / f"{name}-{scheme}.png"), full_page=True)


def test_a_limit_that_is_set_shows_its_use_warns_and_goes(
    owner: Dashboard, instance: Instance, without_limits: None
) -> None:
    owner.goto(f"settings/projects/{instance.project_id}")
    card = owner.main.locator(".card", has=owner.page.get_by_role("heading", name="Limits"))
    expect(card).to_contain_text("no limit")
    expect(card.get_by_role("meter")).to_have_count(0)
    users = len(instance.request("GET", "/v2/users").json()["data"])
    owner.field("Most users").fill(str(users + 1))
    owner.field("Most requests to send in a month").fill("1")
    card.get_by_role("button", name="Save").click()
    expect(owner.toast("The project is saved")).to_be_visible()
    expect(card.get_by_role("meter", name="Users")).to_have_attribute(
        "aria-valuenow", str(round(100 * users / (users + 1)))
    )
    expect(card.get_by_role("meter", name="in a month")).to_have_attribute("aria-valuenow", "100")
    shot(owner, "projects")

    owner.open("overview")
    expect(owner.main).to_contain_text("A limit is reached: Requests to send in a month")
    expect(owner.main).to_contain_text("A limit is nearly reached: Users")
    shot(owner, "overview")
    owner.open("usage")
    expect(owner.main.get_by_role("meter", name="in a month")).to_be_visible()
    shot(owner, "usage")

    owner.open("overview")
    owner.main.get_by_role("link", name="Open limits").first.click()
    owner.field("Most requests to send in a month").fill("")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_role("meter", name="in a month")).to_have_count(0)
