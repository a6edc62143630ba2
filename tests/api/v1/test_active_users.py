"""The number of active users in a month."""

import re
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.api.inbox import messages, notification
from tests.api.workspaces import admin_of, created_project, user_of
from tests.servers import ADMIN, Gateway, running_gateway, user_headers, wait_for


@pytest.fixture
def project(gateway: Gateway) -> dict[str, Any]:
    return created_project(gateway)


def active_users(gateway: Gateway, headers: dict[str, str], query: str = "") -> int:
    response = httpx.get(f"{gateway.url}/active_users{query}", headers=headers)
    assert response.status_code == 200, response.text
    return int(response.json()["active_users"]["count"])


def test_a_user_that_fetches_or_connects_counts_once(gateway: Gateway, project: dict[str, Any]) -> None:
    for _ in range(2):
        httpx.get(f"{gateway.url}/notifications", headers=user_of(project, "ada")).raise_for_status()
    httpx.post(f"{gateway.url}/notifications/read", headers=user_of(project, "bob")).raise_for_status()
    with connect(gateway.websocket_url, additional_headers=user_of(project, "eve")) as socket:
        socket.recv()
    with httpx.stream("GET", f"{gateway.url}/realtime/sse", headers=user_of(project, "sue")):
        pass
    wait_for(lambda: active_users(gateway, admin_of(project)) == 4, "all four to be counted")


def test_a_user_that_only_receives_or_is_refused_does_not_count(gateway: Gateway, project: dict[str, Any]) -> None:
    httpx.post(f"{gateway.url}/notifications", headers=admin_of(project), json=notification("ada")).raise_for_status()
    assert httpx.get(f"{gateway.url}/notifications/42", headers=user_of(project, "bob")).status_code == 404
    wrong = {**user_of(project, "eve"), "X-MAGICBELL-API-SECRET": "wrong"}
    assert httpx.get(f"{gateway.url}/notifications", headers=wrong).status_code == 401
    httpx.get(f"{gateway.url}/notifications", headers=user_of(project, "sue")).raise_for_status()
    wait_for(lambda: active_users(gateway, admin_of(project)), "sue to be counted")
    assert active_users(gateway, admin_of(project)) == 1


def test_the_response_has_the_month_and_the_error(gateway: Gateway, project: dict[str, Any]) -> None:
    response = httpx.get(f"{gateway.url}/active_users", headers=admin_of(project)).json()
    months = (f"{datetime.now(UTC):%Y-%m}",)
    assert response["active_users"]["month"] in months
    assert response["active_users"] == {**response["active_users"], "count": 0, "standard_error": 0.0081}
    past = httpx.get(f"{gateway.url}/active_users?month=2020-12", headers=admin_of(project)).json()
    assert past == {"active_users": {"month": "2020-12", "count": 0, "standard_error": 0.0081}}


@pytest.mark.parametrize("month", ["2026", "2026-13", "2026-1", "now"])
def test_a_wrong_month_is_refused(gateway: Gateway, month: str) -> None:
    response = httpx.get(f"{gateway.url}/active_users?month={month}", headers=ADMIN)
    assert (response.status_code, messages(response)) == (422, ["Param 'month' must be a month such as 2026-03"])


def test_a_user_seen_before_a_stop_is_counted_after_it(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "data") as gateway:
        httpx.get(f"{gateway.url}/notifications", headers=user_headers("ada")).raise_for_status()
        gateway.stop(signal.SIGTERM)
        gateway.start()
        assert active_users(gateway, ADMIN) == 1
        shown = wait_for(
            lambda: re.search(
                r"^inbox_active_users ([1-9].*)$", httpx.get(f"{gateway.url}/metrics").text, re.MULTILINE
            ),
            "the metric",
        )
        assert float(shown[1]) == 1
