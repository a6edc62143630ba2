"""The limits of a project: set by an administrator, shown with their use, and kept."""

import httpx

from tests.api.inbox import notification
from tests.api.workspaces import admin_of, changed_project, command, created_project
from tests.servers import Gateway, wait_for


def test_a_limit_is_set_shown_with_its_use_reached_and_lifted(gateway: Gateway) -> None:
    project = created_project(gateway, max_sends_per_month=5)
    assert (project["max_sends_per_month"], project["max_users"]) == (5, 0)
    with httpx.Client(base_url=gateway.url, headers=admin_of(project), timeout=30) as http:

        def send() -> httpx.Response:
            return http.post("/notifications", json=notification("ada"))

        def use() -> dict[str, object]:
            found = http.get("/v2/limits").raise_for_status().json()["data"]
            return next(each for each in found if each["name"] == "max_sends_per_month")

        assert use() == {"name": "max_sends_per_month", "limit": 5, "used": 0, "share": 0.0, "state": "ok"}
        every = http.get("/v2/limits?all=true").raise_for_status().json()["data"]
        assert [each["used"] for each in every] == [0, every[1]["used"], 0, 0]
        assert [each["used"] for each in http.get("/v2/limits").json()["data"]] == [None, None, None, 0]
        assert [send().status_code for _ in range(4)] == [201] * 4
        wait_for(lambda: use()["state"] == "warning", "the figure")
        assert send().status_code == 201
        refused = send()
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (429, "sends_per_month_reached")
        assert int(refused.headers["Retry-After"]) > 0
        broadcast = {"broadcast": {"title": "x", "recipients": [{"matches": "*"}]}}
        assert http.post("/broadcasts", json=broadcast).status_code == 429
        wait_for(lambda: use() == use() | {"used": 5, "share": 1.0, "state": "reached"}, "the figure")
        wait_for(lambda: "project.limit_reached" in http.get("/v2/events").text, "the event")
        changed_project(gateway, project, max_sends_per_month=0)
        wait_for(lambda: send().status_code == 201, "the change")
        expected = {"name": "max_sends_per_month", "limit": None, "used": None, "share": None, "state": "none"}
        wait_for(lambda: use() == expected, "the limit to go")


def test_a_full_project_takes_no_new_users_and_serves_those_it_has(gateway: Gateway) -> None:
    project = created_project(gateway, max_users=1)
    with httpx.Client(base_url=gateway.url, headers=admin_of(project), timeout=30) as http:
        assert http.post("/notifications", json=notification("ada")).status_code == 201
        for body in (notification("eve"), notification("ada", "eve")):
            refused = http.post("/notifications", json=body)
            assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "user_limit_reached")
        assert http.post("/notifications", json=notification("ada")).status_code == 201
        assert http.post("/users", json={"user": {"external_id": "eve"}}).status_code == 403
        for recipients, status in (([{"external_id": "eve"}], 403), ([{"matches": "*"}, {"external_id": "ada"}], 201)):
            broadcast = {"broadcast": {"title": "x", "recipients": recipients}}
            assert http.post("/broadcasts", json=broadcast).status_code == status
        ada, eve = {"external_id": "ada"}, {"external_id": "eve"}
        for users in ([eve], [ada, {"email": "Eve@example.com"}]):
            assert http.post("/imports", json={"import": {"users": users}}).status_code == 403
        assert http.post("/imports", json={"import": {"users": [ada, {}, 5, {"email": " "}, ada]}}).status_code == 201
        assert len(http.get("/v2/users").json()["data"]) == 1


def test_the_command_line_sets_and_shows_limits(gateway: Gateway) -> None:
    project = created_project(gateway)
    options = ("--max-users", "1000", "--max-sends-per-minute", "60")
    printed = command(gateway, "project", "set", project["api_key"], *options)
    assert "users        at most 1,000" in printed
    assert "sends per minute at most 60" in printed
    events = ("--event-retention-count", "10", "--event-retention-seconds", "3600")
    assert "at most 10 of each type, at most 3600 seconds" in command(
        gateway, "project", "set", project["api_key"], *events
    )
    assert "users  " not in command(
        gateway, "project", "set", project["api_key"], "--max-users", "0", "--max-sends-per-minute", "0"
    )
