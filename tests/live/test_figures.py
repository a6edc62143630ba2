"""Counts of connections by project, when each was opened, and events while somebody watches."""

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.domain.errors import CloseCode
from gateway.domain.ids import ProjectId
from gateway.live import figures as module
from gateway.live.figures import LiveFigures
from gateway.store.nodes import TRANSPORTS
from gateway.store.usage_counts import Milestone, UsageCounts

SHOP = ProjectId("1")


def connection(transport: str = "sse", project: ProjectId = SHOP) -> Any:
    """Return what the figures read of a connection. It is compared by identity, as connections are."""
    user = SimpleNamespace(id="u1", project_id=project)

    class Connection:
        name = transport
        origin = "https://app.example.com"
        session = SimpleNamespace(connection_id="w-1")
        subscription = SimpleNamespace(user=user)

    return Connection()


def test_connections_are_counted_by_project_and_transport() -> None:
    usage = UsageCounts()
    figures = LiveFigures(usage)
    one, other = connection(), connection("websocket", ProjectId("2"))
    for each in (one, one, other):
        figures.opened(each)
    assert dict(figures) == {SHOP: [0, 2, 0, 0], ProjectId("2"): [1, 0, 0, 0]}
    assert figures.by_transport() == dict(zip(TRANSPORTS, (1, 2, 0, 0), strict=True))
    for each in (one, one, other):
        figures.closed(each)
    assert dict(figures) == {}
    assert set(figures.by_transport().values()) == {0}
    assert set(usage.take()[1]) == {(SHOP, Milestone.CONNECTION), (ProjectId("2"), Milestone.CONNECTION)}
    assert figures.take_events() == {}


def test_a_connection_without_a_user_is_not_counted() -> None:
    figures, nobody = LiveFigures(UsageCounts()), connection()
    nobody.subscription = None
    figures.opened(nobody)
    figures.closing(nobody, CloseCode.DRAINING)
    figures.closed(nobody)
    assert dict(figures) == {}


def test_events_are_made_of_a_watched_project_alone() -> None:
    figures = LiveFigures(UsageCounts())
    figures.watch(SHOP)
    one, two, other = connection(), connection(), connection(project=ProjectId("2"))
    for each in (one, two, other):
        figures.opened(each)
    figures.closing(one, CloseCode.TOKEN_REVOKED)
    for each in (one, two, other):
        figures.closed(each)
    figures.refused(SHOP, one, "forbidden")
    ((project, (events, dropped)),) = figures.take_events().items()
    assert (project, dropped) == (SHOP, 0)
    assert [(each.type, each.code) for each in events] == [
        ("opened", ""),
        ("opened", ""),
        ("closed", "token_revoked"),
        ("closed", "client"),
        ("refused", "forbidden"),
    ]


def test_events_without_room_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_EVENTS", 2)
    figures = LiveFigures(UsageCounts())
    figures.watch(SHOP)
    for _ in range(5):
        figures.opened(connection())
    figures.drop(ProjectId("2"), 4)
    found = figures.take_events()
    assert (len(found[SHOP][0]), found[SHOP][1], found[ProjectId("2")]) == (2, 3, ([], 4))
    assert figures.take_events() == {}


def test_the_time_at_which_a_connection_came_is_known_without_keeping_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr(module, "MARKS", 8)
    figures = LiveFigures(UsageCounts())
    for count in (0, 3, 3, 10):
        figures.mark(count)
        now[0] += 10
    assert [figures.since(number) for number in (1, 3, 4, 10, 11)] == [1010, 1010, 1030, 1030, 1040]
    for count in range(11, 40):
        figures.mark(count)
    assert len(figures._marks) <= 8
    assert figures.since(39) == 1040
