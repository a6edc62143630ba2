"""The overview: a checklist whose steps turn green by what happens, then the figures."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Locator, expect

from tests.browser.dashboard.dashboard import Dashboard
from tests.browser.dashboard.instance import OWNER, Instance


class NewProject(NamedTuple):
    """A project without anything in it."""

    id: str
    key: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of its backend."""
        return {"X-MAGICBELL-API-KEY": self.key, "X-MAGICBELL-API-SECRET": self.secret}


def new_project(instance: Instance, name: str) -> NewProject:
    """Create a project."""
    project: dict[str, Any] = instance.api(OWNER, "POST", "projects", json={"name": name}).json()
    secret = instance.api(OWNER, "POST", f"projects/{project['id']}/secret", json={}).json()["api_secret"]
    return NewProject(project["id"], project["api_key"], secret)


def step(page: Dashboard, name: str) -> Locator:
    """Return a step of the checklist."""
    return page.main.locator(f"[data-step={name}]")


def run_snippet(page: Dashboard, label: str, secret: str, directory: Path) -> str:
    """Run a command of the page in a shell, as somebody who copies it. Return what it prints."""
    command = page.page.get_by_label(label, exact=True).locator("code").inner_text()
    assert secret not in command
    environment = os.environ | {"API_SECRET": secret}
    done = subprocess.run(("bash", "-ec", command), cwd=directory, env=environment, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_each_step_of_the_checklist_turns_green_when_it_happens(owner: Dashboard, tmp_path: Path) -> None:
    project = new_project(owner.instance, "First steps")
    owner.goto(f"projects/{project.id}/overview")
    expect(step(owner, "send")).to_have_attribute("aria-current", "step")

    assert '"notification":{"id":' in run_snippet(owner, "The request as a command", project.secret, tmp_path)
    expect(step(owner, "send")).to_contain_text("Stored in an inbox")
    expect(step(owner, "bell")).to_have_attribute("aria-current", "step")
    expect(step(owner, "bell")).to_contain_text("Waiting for your page…")

    run_snippet(owner, "Test page", "not the secret", tmp_path)
    site = owner.page.context.new_page()
    site.goto(f"file://{tmp_path}/inbox.html")
    expect(step(owner, "bell")).to_contain_text("The signature is wrong. Page: a file. Seen")

    run_snippet(owner, "Test page", project.secret, tmp_path)
    site.reload()
    expect(step(owner, "bell")).to_contain_text("A page connected")
    expect(step(owner, "see")).to_have_attribute("aria-current", "step")

    site.get_by_role("button", name=re.compile("Notifications")).click()
    expect(site.get_by_text("Hello from the dashboard")).to_be_visible()
    expect(owner.main.get_by_role("heading", name="Everything works")).to_be_visible()
    owner.button("Show the figures").click()
    expect(owner.main.locator(".stat", has_text="Connections")).to_contain_text("WebSocket 1")
    site.close()
    expect(owner.main.locator(".stat", has_text="Connections")).to_contain_text("No page is open")


def test_the_dashboard_sends_the_first_notification(owner: Dashboard) -> None:
    project = new_project(owner.instance, "By button")
    owner.goto(f"projects/{project.id}/overview")
    owner.field("Send it to the user").fill("o'hara")
    owner.button("Send it for me").click()
    expect(step(owner, "send")).to_contain_text("Stored in an inbox")
    headers = project.headers | {"X-MAGICBELL-USER-EXTERNAL-ID": "o'hara"}
    [found] = owner.instance.backend.get("/notifications", headers=headers).json()["notifications"]
    assert found["title"] == "Hello from the dashboard"


def test_a_stopped_channel_stands_at_the_top_until_it_is_resumed(owner: Dashboard) -> None:
    project = new_project(owner.instance, "Stopped")
    backend = owner.instance.backend
    mail = {"api_key": "a-wrong-key", "from": {"email": "shop@example.com"}}
    backend.put("/v2/integrations/sendgrid", headers=project.headers, json=mail).raise_for_status()
    sent = {"notification": {"title": "Hello", "recipients": [{"external_id": "eve", "email": "eve@example.com"}]}}
    backend.post("/notifications", headers=project.headers, json=sent).raise_for_status()
    owner.goto(f"projects/{project.id}/overview", checklist="0")
    expect(owner.main).to_contain_text("Email is stopped")
    expect(owner.main).to_contain_text("1 user is waiting.")
    owner.button("Resume").click()
    expect(owner.toast("Email is sent again").first).to_be_visible()
    assert f"POST api/projects/{project.id}/v2/delivery/lanes/email/resume" in owner.requests


def test_a_viewer_sees_figures_and_failures_and_no_button_that_would_fail(viewer: Dashboard) -> None:
    viewer.open("overview", checklist="1")
    step(viewer, "send").locator("summary").click()
    expect(step(viewer, "send")).to_contain_text("$API_SECRET")
    expect(viewer.button("Send it for me")).to_have_count(0)
    expect(viewer.page.get_by_role("link", name="Keys")).to_have_count(0)
    viewer.open("overview", checklist="0")
    expect(viewer.main.locator(".stat", has_text="Active users this month")).to_contain_text("0.81%")
    health = viewer.main.locator(".health-list")
    expect(health.get_by_role("listitem")).to_have_count(3)
    expect(health).to_contain_text(re.compile("Worker.*Delivery worker.*Valkey"))
    expect(health.get_by_role("img", name="Not well")).to_have_count(0)
    chart = viewer.main.locator(".chart", has_text="In inboxes")
    chart.get_by_text("Show as a table").click()
    expect(chart.locator("tbody tr")).to_have_count(60)
    expect(chart.locator("canvas")).to_be_visible()
