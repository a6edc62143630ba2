"""Every scenario with a few connections: every event arrives once. The tests assert no times."""

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial

import pytest

from loadtest.project_data import OFFERED_KINDS
from loadtest.scenarios.admin import pages
from loadtest.scenarios.catalog import PAGE, PAGES
from loadtest.scenarios.listing import FILTERS
from loadtest.sizes import TINY
from loadtest.targets import FLOORS
from loadtest.targets.bare_path import BarePathTarget
from loadtest.targets.gateway import GatewayTarget
from tests.loadtest.runs import Run, at_once, run

OURS = GatewayTarget.name
FLOOR_NAMES = {kind.name for kind in FLOORS}


RUNS = {
    "fanout": ("websocket", "--peers", "starlette"),
    "idle": ("websocket",),
    "unicast": ("sse",),
    "connect": ("sse",),
    "broadcast": ("websocket",),
    "soak": ("websocket", "--transport", "sse", "--soak", "4"),
    "sync": ("websocket",),
    "list": ("sse",),
    "catalog": ("websocket",),
    "admin": ("websocket",),
    "delivery": ("websocket",),
    "hostile": ("websocket",),
    "durability": ("websocket",),
    "recovery": ("sse",),
    "storm": ("websocket",),
    "burst": ("sse",),
    "request": ("websocket",),
}
"""The transport and options of each scenario, the slowest first."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Run]]]:
    """Yield a run of each scenario. The fan-out is compared with ratios that no server can reach."""
    out = tmp_path_factory.mktemp("runs")
    strict = out / "strict.json"
    strict.write_text(json.dumps({"tiny": {"ratios": {"sse cpu": 0.01, "websocket cpu": 0.01}}}))

    def one(scenario: str) -> Run:
        transport, *options = RUNS[scenario]
        compare = ["--compare", str(strict)] if scenario == "fanout" else []
        return run(out / scenario, "--only", scenario, "--transport", transport, *options, *compare)

    with at_once({scenario: partial(one, scenario) for scenario in RUNS}) as begun:
        yield begun


def faultless(runs: dict[str, Future[Run]], scenario: str) -> Run:
    """Return a run in which every event arrived once."""
    done = runs[scenario].result()
    assert done.faults == {}, done.printed
    assert done.result["errors"] == []
    assert done.exit_code == (scenario == "fanout"), done.printed
    assert {row["transport"] for row in done.rows(scenario, OURS)} <= {RUNS[scenario][0], "rest", "websocket + sse"}
    assert done.rows(scenario, OURS)
    return done


def test_idle_reads_the_memory_of_the_gateway_and_the_floors_at_each_step(runs: dict[str, Future[Run]]) -> None:
    done = faultless(runs, "idle")
    for target in {OURS} | (FLOOR_NAMES - done.result["not_installed"].keys()):
        assert [row["connections"] for row in done.rows("idle", target)] == list(TINY.idle.steps)
    assert all("kb_redis" in row for row in done.rows("idle", OURS))


def test_connect_resumes_every_connection_with_the_missed_events(runs: dict[str, Future[Run]]) -> None:
    done = faultless(runs, "connect")
    *fresh, resumed = done.rows("connect", OURS)
    assert [(row["how"], row["rounds"]) for row in fresh] == [("HMAC, new users", 1), ("HMAC", 3), ("JWT", 3)]
    assert resumed["delivered"] == TINY.connect.connections * TINY.connect.missed_events


def test_fanout_delivers_every_event_to_every_connection_and_compares_equal_bytes(runs: dict[str, Future[Run]]) -> None:
    done = faultless(runs, "fanout")
    for row in done.rows("fanout"):
        delivered, left = divmod(row["delivered"], row["connections"])
        assert left == 0
        assert delivered > 2 * TINY.fanout.rounds, row
    ours = done.rows("fanout", OURS)[0]
    assert {row["bytes_per_message"] for row in done.rows("fanout") if row["target"] in FLOOR_NAMES} == {
        200,
        round(ours["bytes_per_message"]),
    }
    assert 0 < done.result["ratios"]["websocket cpu"] <= ours["ratio_python"]  # the better of two measurements
    assert done.rows("fanout to users", OURS)[0]["delivered"] % TINY.fanout.users == 0


def test_a_ratio_that_got_worse_fails_the_run_after_a_second_try(runs: dict[str, Future[Run]]) -> None:
    done = faultless(runs, "fanout")
    assert "once more" in done.printed
    assert "WORSE by more than 30%: websocket cpu\n" in done.printed


def test_unicast_counts_the_events_that_arrived_at_every_rate(runs: dict[str, Future[Run]]) -> None:
    rows = faultless(runs, "unicast").rows("unicast", OURS)
    counts = [row["delivered"] for row in rows]
    assert counts == sorted(counts)
    assert counts[0] > 0
    assert (rows[0]["highest"] is None) == (rows[0]["at"] == "no rate held") == (len(rows) == 1)


def test_every_delivery_reaches_its_provider_once(runs: dict[str, Future[Run]]) -> None:
    rows = {row["what"]: row for row in faultless(runs, "delivery").rows("delivery")}
    assert rows.keys() == {"drain", "fairness", "live", "hang", "queue"}
    drained = [row for row in runs["delivery"].result().rows("delivery") if row["what"] == "drain"]
    assert [(row["provider"], row["deliveries"]) for row in drained] == [
        ("sendgrid", TINY.delivery.users),
        ("fcm", TINY.delivery.devices),
        ("apns", TINY.delivery.devices),
    ]
    assert rows["fairness"]["large"] == TINY.delivery.users * TINY.delivery.behind
    assert rows["queue"]["bytes_each"] > 0


def test_a_broadcast_reaches_every_user_and_every_connection(runs: dict[str, Future[Run]]) -> None:
    done = faultless(runs, "broadcast")
    (imported,) = done.rows("import")
    rows = done.rows("broadcast", OURS)
    assert [row["users"] for row in (imported, *rows)] == [TINY.broadcast.users] * 3
    assert [row["heard"] for row in rows] == [row["connections"] for row in rows] == [TINY.broadcast.users] * 2
    assert {row["redis_on"] for row in rows} <= {"a core of its own", "the worker's core"}


def test_sync_receives_every_change_on_the_second_device(runs: dict[str, Future[Run]]) -> None:
    (row,) = faultless(runs, "sync").rows("sync")
    assert row["delivered"] == TINY.sync.rate * TINY.sync.seconds


def test_list_requests_every_filter_of_every_inbox(runs: dict[str, Future[Run]]) -> None:
    rows = faultless(runs, "list").rows("list")
    assert len({(row["items"], row["filter"]) for row in rows}) == len(rows) == len(FILTERS) * len(TINY.list.inboxes)
    whole = faultless(runs, "list").rows("whole")
    assert len({(row["items"], row["what"]) for row in whole}) == len(whole) == 4 * len(TINY.list.inboxes)


def test_each_page_of_each_project_is_full_and_each_kind_of_entry_uses_memory(runs: dict[str, Future[Run]]) -> None:
    done = faultless(runs, "catalog")
    rows, stored = done.rows("catalog"), done.rows("stored")
    assert {(row["items"], row["filter"]) for row in rows} == set(itertools.product(TINY.catalog.projects, PAGES))
    shown = {row["filter"]: row["shown"] for row in rows}
    assert {name for name, count in shown.items() if count != PAGE} == {
        "the user with an external id",
        "the user with an email",
        "users with a name that nobody has",
    }
    assert len(stored) == len(TINY.catalog.projects) * (2 + len(OFFERED_KINDS))
    assert all(row["bytes_each"] > 0 for row in stored)


def test_no_page_of_the_dashboard_scans(runs: dict[str, Future[Run]]) -> None:
    rows = faultless(runs, "admin").rows("admin")
    assert len(rows) == len(pages(1)) * len(TINY.admin.projects)
    assert {row["scans"] for row in rows} == {""}


def test_after_a_storm_every_connection_has_the_missed_events(runs: dict[str, Future[Run]]) -> None:
    rows = faultless(runs, "storm").rows("storm")
    assert [(row["users"], row["delivered"]) for row in rows] == [
        (TINY.storm.connections, 2 * TINY.storm.connections),
        (1, 2 * TINY.storm.connections_of_one),
    ]


def test_every_user_receives_the_event_that_is_sent_when_redis_is_back(runs: dict[str, Future[Run]]) -> None:
    rows = faultless(runs, "recovery").rows("recovery")
    assert [(row["how"], row["away_seconds"]) for row in rows] == [tuple(outage) for outage in TINY.recovery.outages]
    assert {row["delivered"] for row in rows} == {TINY.recovery.users}
    assert rows[0]["refused"] > 0


def test_ordinary_users_receive_everything_under_hostile_load(runs: dict[str, Future[Run]]) -> None:
    rows = faultless(runs, "hostile").rows("hostile")
    assert [row["when"] for row in rows] == ["before", "under attack", "after"]
    sent = TINY.hostile.rate * TINY.hostile.seconds
    assert [row["delivered"] for row in rows] == [2 * sent, 3 * sent, 4 * sent]
    assert [row["attacks"] > 0 for row in rows] == [False, True, False]


def test_each_durability_is_measured_with_one_sender_and_many(runs: dict[str, Future[Run]]) -> None:
    rows = faultless(runs, "durability").rows("durability")
    assert [(row["durability"], row["senders"]) for row in rows] == [
        (way, senders) for way in ("memory", "disk", "replica") for senders in (1, 64)
    ]


def test_all_events_of_a_burst_arrive(runs: dict[str, Future[Run]]) -> None:
    (row,) = faultless(runs, "burst").rows("burst", OURS)
    assert row["delivered"] == (TINY.burst.repeats + 1) * TINY.burst.events


def test_each_kind_of_request_is_measured_beside_the_bare_path(runs: dict[str, Future[Run]]) -> None:
    done = faultless(runs, "request")
    kinds = ["create", "create_slowly", "mark", "list", "counts"]
    for target in (OURS, BarePathTarget.name):
        assert [row["kind"] for row in done.rows("request", target)] == kinds
    assert done.result["ratios"].keys() == {f"rest {name}" for name in (*kinds, "create_redis")}
    assert all(row["redis_commands"] > 0 < row["redis_bytes"] for row in done.rows("request", OURS))


def test_a_soak_delivers_everything_while_guests_connect_and_disconnect(runs: dict[str, Future[Run]]) -> None:
    (row,) = faultless(runs, "soak").rows("soak")
    assert row["delivered"] == 4 * TINY.soak.rate
    assert row["resumed"] > 0
    assert row["transport"] == "websocket + sse"
