"""Retention: how it is set for a project, and its effect on open inboxes."""

import json
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from loadtest.check.replica import Replica
from tests.api.workspaces import admin_of, changed_project, command, created_project, user_of, workspace_headers
from tests.servers import Gateway, wait_for


def send(gateway: Gateway, project: dict[str, Any], number: int, **recipient: Any) -> None:
    """Send notifications to `joe`, or to `recipient`."""
    for index in range(number):
        body = {"notification": {"title": f"n{index}", "recipients": [recipient or {"external_id": "joe"}]}}
        response = httpx.post(f"{gateway.url}/notifications", headers=admin_of(project), json=body)
        assert response.status_code == 201, response.text


def listed(gateway: Gateway, project: dict[str, Any]) -> dict[str, Any]:
    """Return the notifications of `joe`."""
    response = httpx.get(f"{gateway.url}/notifications?per_page=100", headers=user_of(project, "joe"))
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def open_inbox(gateway: Gateway, project: dict[str, Any]) -> Any:
    """Connect as `joe`. Every message after the first is an event."""
    return connect(gateway.websocket_url, subprotocols=["inbox.v1"], additional_headers=user_of(project, "joe"))  # type: ignore[list-item] # a Subprotocol is a string


def follow(socket: Any, replica: Replica, until: int) -> None:
    """Apply events until so many items are left and no event follows, and compare the counts of each."""
    while True:
        try:
            event = json.loads(socket.recv(timeout=0.3 if len(replica.items) == until else 10))
        except TimeoutError:
            return
        assert event["type"] == "event"
        replica.apply(event)
        assert {name: event[name] for name in replica.counts} == replica.counts


def test_a_project_has_no_bounds_of_its_own_at_first(gateway: Gateway) -> None:
    project = created_project(gateway)
    assert (project["item_retention_count"], project["item_retention_seconds"]) == (None, None)


def test_a_projects_bounds_are_set_and_removed(gateway: Gateway) -> None:
    project = created_project(gateway, item_retention_count=5, item_retention_seconds=0)
    assert (project["item_retention_count"], project["item_retention_seconds"]) == (5, 0)
    project = changed_project(gateway, project, name="Store")
    assert project["item_retention_count"] == 5
    project = changed_project(gateway, project, item_retention_count="default", item_retention_seconds=3600)
    assert (project["item_retention_count"], project["item_retention_seconds"]) == (None, 3600)


@pytest.mark.parametrize("bound", [-1, 1.5, "5", True, [], 10**15])
@pytest.mark.parametrize("name", ["item_retention_count", "item_retention_seconds"])
def test_an_invalid_bound_is_refused_by_its_name(gateway: Gateway, name: str, bound: Any) -> None:
    body = {"project": {"name": "Shop", name: bound}}
    response = httpx.post(f"{gateway.url}/workspaces/default/projects", headers=workspace_headers(gateway), json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["message"].startswith(f"Param 'project.{name}' must be ")


def test_an_open_inbox_is_exact_while_new_notifications_displace_old_ones(gateway: Gateway) -> None:
    project = created_project(gateway, item_retention_count=3)
    send(gateway, project, 2)
    with open_inbox(gateway, project) as socket:
        socket.recv(timeout=10)
        replica = Replica(listed(gateway, project)["notifications"])
        send(gateway, project, 5)
        follow(socket, replica, 3)
    response = listed(gateway, project)
    assert replica.items == response["notifications"]
    assert (response["total"], response["unread_count"]) == (3, 3)


def test_a_broadcast_displaces_old_notifications_too(gateway: Gateway) -> None:
    project = created_project(gateway, item_retention_count=2)
    send(gateway, project, 2)
    with open_inbox(gateway, project) as socket:
        socket.recv(timeout=10)
        replica = Replica(listed(gateway, project)["notifications"])
        send(gateway, project, 1, matches="*")
        first = json.loads(socket.recv(timeout=10))
        assert first["name"] == "notifications/new"
        replica.apply(first)
        follow(socket, replica, 2)
    assert replica.items == listed(gateway, project)["notifications"]


def test_a_lower_bound_trims_idle_inboxes_and_notifies_the_open_ones(gateway: Gateway) -> None:
    project = created_project(gateway)
    send(gateway, project, 30)
    with open_inbox(gateway, project) as socket:
        socket.recv(timeout=10)
        replica = Replica(listed(gateway, project)["notifications"])
        changed_project(gateway, project, item_retention_count=4)
        follow(socket, replica, 4)
    assert replica.items == listed(gateway, project)["notifications"]


def test_the_command_line_sets_and_shows_a_projects_bounds(gateway: Gateway) -> None:
    project = created_project(gateway)
    send(gateway, project, 3)
    shown = command(gateway, "project", "set", project["api_key"], "--item-retention-count", "1")
    assert "keeps        1 items per user, for INBOX_ITEM_RETENTION_SECONDS" in shown
    wait_for(lambda: listed(gateway, project)["total"] == 1, "the sweep")
    shown = command(gateway, "project", "set", project["api_key"], "--item-retention-count", "default")
    assert "keeps " not in shown
