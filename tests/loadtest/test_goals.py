"""Judging goals from the rows of a run."""

from typing import Any

import pytest

from loadtest import goals, report
from loadtest.journal import Row
from loadtest.targets.base import REST, SSE, WEBSOCKET
from loadtest.targets.peers import NchanTarget

OURS, NCHAN = "inbox gateway", NchanTarget.name


def row(scenario: str, transport: str = WEBSOCKET, target: str = OURS, **figures: Any) -> Row:
    return {
        "scenario": scenario,
        "target": target,
        "ours": target == OURS,
        "transport": transport,
        "connections": 1000,
        "faults": {},
        **figures,
    }


def verdicts(rows: list[Row], name: str) -> list[goals.Verdict]:
    return [verdict for verdict in goals.judge(rows) if name in verdict.goal.name]


@pytest.mark.parametrize(
    ("transport", "ratio", "met"), [(WEBSOCKET, 1.3, True), (WEBSOCKET, 1.31, False), (SSE, 1.5, True)]
)
def test_a_delivered_event_is_compared_with_the_bare_send(transport: str, ratio: float, met: bool) -> None:
    (verdict,) = verdicts([row("fanout", transport, ratio_python=ratio)], "× a bare send")
    assert verdict.is_met is met


def test_a_delivered_event_must_be_cheaper_than_nchans_of_the_same_run() -> None:
    ours, theirs = row("fanout", cpu_us=8.0), row("fanout", target=NCHAN, cpu_us=7.5)
    (verdict,) = verdicts([ours, theirs], "delivered event, µs")
    assert verdict.is_met is False
    assert verdict.goal.limit(verdict.where, verdict.peers) == "< nchan's, 7.5"
    (verdict,) = verdicts([ours], "delivered event, µs")
    assert verdict.is_met is None


def test_small_crowds_are_judged_only_if_there_are_no_large_ones() -> None:
    small, large = (row("fanout", ratio_python=1.0) | {"connections": size} for size in (250, 4000))
    assert [verdict.where for verdict in verdicts([small, large], "× a bare send")] == ["to 4,000"]
    assert [verdict.where for verdict in verdicts([small], "× a bare send")] == ["to 250"]


def test_unicast_is_judged_at_the_highest_rate_and_shown_at_half_of_it() -> None:
    rows = [row("unicast", at=at, highest=2000.0, cpu_us_server=199.0) for at in ("highest rate that holds", "50% of")]
    found = {verdict.where: verdict.is_met for verdict in verdicts(rows, "gateway")}
    assert found == {goals.AT_HIGHEST: True, goals.AT_HALF: None}


def test_a_rate_that_did_not_hold_has_no_verdict() -> None:
    assert verdicts([row("unicast", at="no rate held", highest=None, cpu_us_server=1.0)], "gateway") == []


def test_the_worst_filter_of_the_largest_inbox_is_judged() -> None:
    rows = [
        row("list", REST, items=items, filter=name, judged=judged, cpu_ratio=ratio, cpu_us_redis=ratio * 1000)
        for items, name, judged, ratio in (
            (100, "none", True, 9.0),
            (100_000, "none", True, 1.1),
            (100_000, "read", True, 1.4),
            (100_000, "page 5", False, 2.9),
        )
    ]
    (growth,) = verdicts(rows, "CPU of a page, ×")
    assert (growth.ours, growth.is_met) == (1.4, False)
    assert growth.where == "100,000 items, worst of 2 filters: read"
    (bound,) = verdicts(rows, "other combinations")
    assert (bound.ours, bound.is_met) == (2.9, True)


def test_the_worst_page_and_the_bytes_of_the_largest_project_are_judged() -> None:
    rows = [
        row("catalog", REST, items=items, filter="users, last page", judged=True, cpu_ratio=ratio)
        for items, ratio in ((1000, 1.0), (100_000, 1.4))
    ] + [
        row("stored", REST, items=items, what=what, bytes_each=size)
        for items, what, size in (
            *((1000, "a user", 9000.0), (100_000, "a user", 500.0)),
            *((100_000, "a token of APNs", 250.0), (100_000, "a token of FCM", 600.0)),
        )
    ]
    (growth,) = verdicts(rows, "CPU of a page of a project")
    assert (growth.ours, growth.is_met) == (1.4, False)
    found = {verdict.where: (verdict.ours, verdict.is_met) for verdict in verdicts(rows, "memory of Redis")}
    assert found == {"a user": (500.0, True), "a token of FCM": (600.0, False)}


def test_changes_of_the_largest_inbox_are_judged() -> None:
    rows = [
        row("whole", REST, items=items, what=what, cpu_us_redis=redis_us)
        for items, what, redis_us in ((100, "read", 9e9), (100_000, "read", 5e5), (100_000, "deleted", 2e6))
    ]
    found = {verdict.where: (verdict.ours, verdict.is_met) for verdict in verdicts(rows, "whole inbox")}
    assert found == {"100,000 items: read": (500.0, True), "100,000 items: deleted": (2000.0, False)}


def test_figures_of_peers_are_shown_for_the_same_place() -> None:
    ours = [row("idle", kb=4.0) | {"connections": size} for size in (500, 2000, 18_500)]
    theirs = row("idle", target=NCHAN, kb=11.0) | {"connections": 2000}
    small, large = verdicts([*ours, theirs], "idle")
    assert (small.where, small.peers) == ("2,000 connections", {NCHAN: 11.0})
    assert (large.where, large.peers) == ("18,500 connections", {})


def test_the_table_shows_the_limit_the_figure_and_whether_it_is_met() -> None:
    text = report.table(*goals.table(goals.judge([row("connect", how="HMAC", per_second=2900.0)])))
    cells = [cell.strip() for cell in text.splitlines()[-1].strip("|").split("|")]
    assert cells == ["WebSocket, authenticated connects per second", "1,000 users", "≥ 3,000", "2,900", "**no**"]


def test_deliveries_are_judged_by_provider_and_by_what_was_measured() -> None:
    rows = [
        row("delivery", REST, what="drain", provider="fcm", per_core_second=1600.0, cpu_us_redis=90.0),
        row("delivery", REST, what="drain", provider="sendgrid", per_core_second=1400.0, cpu_us_redis=130.0),
        row("delivery", REST, what="fairness", small=50, large=100_000, wait_ms={"p50": 10.0, "max": 1900.0}),
        row("delivery", REST, what="live", rate=100.0, ratio=1.4),
        row("delivery", REST, what="hang", seconds=5.0, grown_mb=3.0),
        row("delivery", REST, what="queue", queued=1_000_000, users=20_000, bytes_each=275.0, ratio=1.0),
    ]
    found = {(verdict.goal.name, verdict.where): verdict.is_met for verdict in goals.judge(rows)}
    assert found == {
        ("deliveries a second of a worker's core", "fcm"): True,
        ("deliveries a second of a worker's core", "sendgrid"): False,
        ("CPU of a delivery, Redis, µs", "fcm"): True,
        ("CPU of a delivery, Redis, µs", "sendgrid"): False,
        ("longest wait of a small project, ms", "50 deliveries behind 100,000"): True,
        ("p99 of live events beside deliveries, × without", "100 events a second"): False,
        ("memory that a hanging provider costs, MB", "after 5 s"): True,
        ("memory of a waiting delivery, bytes", "1,000,000 deliveries"): True,
        ("CPU of a claim, × that behind few deliveries", "behind 20,000 users"): True,
    }
