"""The goals of the gateway, and whether a run meets them, computed from the rows of a result alone.

A goal finds figures in the rows of one server, by the place of measurement. Servers are compared at the same place.
Every goal is a row of the first table of a run. A new goal needs only an entry in GOALS.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.journal import Row
from loadtest.targets.base import REST, SSE, WEBSOCKET
from loadtest.targets.peers import NchanTarget

NAMES = {WEBSOCKET: "WebSocket", SSE: "SSE", REST: ""}

AT_HIGHEST, AT_HALF = "at the highest rate", "at half the highest rate"

ORDINARY_WAYS = ("HMAC", "no credentials")
"""The ways to connect that are compared. Peers have no credentials."""

Found = Mapping[str, float]
"""Figures by the place of measurement."""


@dataclass(frozen=True)
class Goal:
    """A figure with its upper or lower limit. A figure without a limit is only shown."""

    name: str
    transport: str
    find: Callable[[Sequence[Row]], Found]
    """Returns the figures in the rows of one server and this transport."""
    most: float | None = None
    least: float | None = None
    below: str = ""
    """The figure must be below that of this peer in the same run."""
    only_shown: str = ""
    """The place at which the figure is only shown."""

    def limit(self, where: str, peers: Mapping[str, float]) -> str:
        """Return the limit as the table shows it."""
        if where == self.only_shown:
            return "–"
        if self.below:
            return f"< {_short(self.below)}'s" + (f", {peers[self.below]:.3g}" if self.below in peers else "")
        if self.most is not None:
            return f"≤ {self.most:,g}"
        return f"≥ {self.least:,g}" if self.least is not None else "–"

    def is_met(self, value: float, where: str, peers: Mapping[str, float]) -> bool | None:
        """Return whether a figure meets the limit, None if it is only shown or the peer was not measured."""
        if where == self.only_shown:
            return None
        if self.below:
            return value < peers[self.below] if self.below in peers else None
        if self.most is not None:
            return value <= self.most
        return value >= self.least if self.least is not None else None


@dataclass(frozen=True)
class Verdict:
    """The result for a goal at one place."""

    goal: Goal
    where: str
    ours: float
    peers: Mapping[str, float]
    """The figures of the peers, by name."""

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met, None if the figure is only shown."""
        return self.goal.is_met(self.ours, self.where, self.peers)


# ---- finding figures


def _fanout(figure: str) -> Callable[[Sequence[Row]], Found]:
    def find(rows: Sequence[Row]) -> Found:
        """Return the figures of the largest crowds: in small ones, the request is a large part of the cost."""
        mine = [row for row in rows if row["scenario"] == "fanout"]
        most = max((row["connections"] for row in mine), default=0)
        large = [row for row in mine if row["connections"] >= min(1000, most)]
        return {f"to {row['connections']:,}": row[figure] for row in large if row.get(figure) is not None}

    return find


def _idle(rows: Sequence[Row]) -> Found:
    mine = [row for row in rows if row["scenario"] == "idle" and row.get("kb") is not None]
    most = max((row["connections"] for row in mine), default=0)
    return {f"{row['connections']:,} connections": row["kb"] for row in mine if row["connections"] >= min(2000, most)}


def _idle_cpu(rows: Sequence[Row]) -> Found:
    figure = "idle_cpu_us_per_connection_second"
    found = [row[figure] for row in rows if row["scenario"] == "idle" and row.get(figure)]
    return {"the most connections": found[-1]} if found else {}


def _connect(rows: Sequence[Row]) -> Found:
    mine = [row for row in rows if row["scenario"] == "connect" and row["how"] in ORDINARY_WAYS]
    return {f"{row['connections']:,} users": row["per_second"] for row in mine}


def _unicast(figure: str, *places: str) -> Callable[[Sequence[Row]], Found]:
    def find(rows: Sequence[Row]) -> Found:
        found = {}
        for row in rows:
            if row["scenario"] == "unicast" and row["highest"] and row.get(figure):
                place = {"highest": AT_HIGHEST, "50%": AT_HALF}.get(row["at"].split()[0], "")
                if place in places:
                    found[place] = row[figure]
        return found

    return find


def _burst(rows: Sequence[Row]) -> Found:
    return {f"{row['events']} at once": row["writes_per_event"] for row in rows if row["scenario"] == "burst"}


def _broadcast(rows: Sequence[Row]) -> Found:
    mine = [row for row in rows if row["scenario"] == "broadcast"]
    return {f"{row['users']:,} users, {row['which']}": row["per_second"] for row in mine}


def _list(
    figure: str, judged: bool, scale: float = 1.0, scenario: str = "list", of: str = ""
) -> Callable[[Sequence[Row]], Found]:
    def find(rows: Sequence[Row]) -> Found:
        """Return the figure of the worst filter, of the largest inbox or project."""
        mine = [row for row in rows if row["scenario"] == scenario and row["judged"] is judged and row.get(figure)]
        mine = [row for row in mine if row["filter"].startswith(of)]
        most = max((row["items"] for row in mine), default=0)
        large = [row for row in mine if row["items"] == most]
        if not large:
            return {}
        worst = max(large, key=lambda row: float(row[figure]))
        return {f"{most:,} items, worst of {len(large)} filters: {worst['filter']}": worst[figure] * scale}

    return find


def _inbox_change(rows: Sequence[Row]) -> Found:
    mine = [row for row in rows if row["scenario"] == "whole" and row.get("cpu_us_redis")]
    most = max((row["items"] for row in mine), default=0)
    return {f"{most:,} items: {row['what']}": row["cpu_us_redis"] / 1000 for row in mine if row["items"] == most}


def _catalog(figure: str, judged: bool, scale: float = 1.0, of: str = "") -> Callable[[Sequence[Row]], Found]:
    return _list(figure, judged, scale, "catalog", of)


def _admin(figure: str, scale: float = 1.0) -> Callable[[Sequence[Row]], Found]:
    return _list(figure, True, scale, "admin")


def _stored(what: str) -> Callable[[Sequence[Row]], Found]:
    def find(rows: Sequence[Row]) -> Found:
        """Return the bytes of an entry of the largest project, of the most expensive kind if there are several."""
        mine = [row for row in rows if row["scenario"] == "stored" and row["what"].startswith(what)]
        most = max((row["items"] for row in mine), default=0)
        large = [row for row in mine if row["items"] == most]
        worst = max(large, key=lambda row: float(row["bytes_each"]), default=None)
        return {worst["what"]: worst["bytes_each"]} if worst else {}

    return find


def _storm(figure: str) -> Callable[[Sequence[Row]], Found]:
    def find(rows: Sequence[Row]) -> Found:
        mine = [row for row in rows if row["scenario"] == "storm" and "users" in row]
        return {f"{row['connections']:,} of {row['users']:,} users reconnect": row[figure] for row in mine}

    return find


def _recovery(figure: str) -> Callable[[Sequence[Row]], Found]:
    def find(rows: Sequence[Row]) -> Found:
        mine = [row for row in rows if row["scenario"] == "recovery"]
        return {
            f"{row['connections']:,}, Redis {_AWAY[row['how']]} {row['away_seconds']:g} s": row[figure] for row in mine
        }

    return find


_AWAY = {"kill": "killed for", "restart": "stopped for", "pause": "hung for"}


def _hostile(rows: Sequence[Row], percentile: str) -> dict[str, float]:
    return {row["when"]: row["latency_ms"][percentile] for row in rows if row["scenario"] == "hostile"}


def _attacked_p50(rows: Sequence[Row]) -> Found:
    found = _hostile(rows, "p50")
    return {"under attack": found["under attack"] / found["before"]} if found else {}


def _attacked_p99(rows: Sequence[Row]) -> Found:
    return _hostile(rows, "p99")


def _attacked_memory(rows: Sequence[Row]) -> Found:
    mine = [row for row in rows if row["scenario"] == "hostile" and row["when"] == "under attack"]
    return {f"{row['peers']} clients": 1024 * row["grown_mb"] / row["peers"] for row in mine}


def _durability(rows: Sequence[Row]) -> Found:
    mine = [row for row in rows if row["scenario"] == "durability"]
    return {f"{row['durability']}, {row['senders']} at once": row["answer_ms"]["p50"] for row in mine}


def _request(figure: str, *kinds: str) -> Callable[[Sequence[Row]], Found]:
    def find(rows: Sequence[Row]) -> Found:
        mine = [row for row in rows if row["scenario"] == "request" and row["kind"] in kinds and row.get(figure)]
        return {_REQUESTS[row["kind"]]: row[figure] for row in mine}

    return find


_REQUESTS = {
    "create": "POST to one user, 64 connections",
    "create_slowly": "POST to one user, 300 a second",
    "mark": "mark as read or unread",
    "list": "list of 15 with counts",
    "counts": "unread count",
}


def _delivery(what: str, figure: str, place: str, percentile: str = "") -> Callable[[Sequence[Row]], Found]:
    def find(rows: Sequence[Row]) -> Found:
        mine = [row for row in rows if row["scenario"] == "delivery" and row["what"] == what]
        found = {place.format(**row): row[figure] for row in mine}
        return {where: value[percentile] if percentile else value for where, value in found.items()}

    return find


# ---- the goals


def _live(transport: str, most_ratio: float, most_kb: float) -> list[Goal]:
    at_both = AT_HIGHEST, AT_HALF
    gateway, redis, tail = (
        _unicast("cpu_us_server", *at_both),
        _unicast("cpu_us_redis", *at_both),
        _unicast("p99_by_p50", AT_HALF),
    )
    return [
        Goal("CPU of a delivered event, × a bare send", transport, _fanout("ratio_python"), most=most_ratio),
        Goal("CPU of a delivered event, × a bare send in C", transport, _fanout("ratio_c")),
        Goal("CPU of a delivered event, µs", transport, _fanout("cpu_us"), below=NchanTarget.name),
        Goal("writes per event, of several at once", transport, _burst, most=1.0),
        Goal("memory of an idle connection, KB", transport, _idle, most=most_kb),
        Goal("CPU of an idle connection, with heartbeats, µs per second", transport, _idle_cpu),
        Goal("authenticated connects per second", transport, _connect, least=3000),
        Goal("CPU of a POST to one user, gateway, µs", transport, gateway, most=200, only_shown=AT_HALF),
        Goal("CPU of a POST to one user, Redis, µs", transport, redis, most=60, only_shown=AT_HALF),
        Goal("p99 of a POST to one user, × p50", transport, tail, most=5),
    ]


def _trouble(transport: str) -> list[Goal]:
    return [
        Goal("slowest /healthz, ms", transport, _storm("healthz_max_ms"), most=1000),
        Goal("slowest /healthz, ms", transport, _recovery("healthz_max_ms"), most=1000),
        Goal("seconds until all have received what they missed", transport, _storm("all_caught_up_seconds")),
        Goal("seconds until all have received the next event", transport, _recovery("recovered_seconds")),
        Goal("delivery to others under hostile load, p50 × that before", transport, _attacked_p50, most=1.5),
        Goal("delivery to others under hostile load, p99, ms", transport, _attacked_p99),
        Goal("memory of a hostile client, KB", transport, _attacked_memory, most=512),
    ]


_BYTES = {"a user": 650, "an event": 145, "a token": 550}
"""The most bytes of an entry: a quarter more than was measured, so that a new field is noticed."""

GOALS = [
    *_live(WEBSOCKET, most_ratio=1.3, most_kb=6),
    *_live(SSE, most_ratio=1.5, most_kb=10),
    *_trouble(WEBSOCKET),
    *_trouble(SSE),
    Goal("CPU of the gateway, × the bare path", REST, _request("ratio", "create", "mark", "list", "counts"), most=2.5),
    Goal("CPU of the gateway, × the bare path", REST, _request("ratio", "create_slowly"), most=3),
    Goal("CPU of Redis, × the bare path", REST, _request("ratio_redis", "create"), most=1.8),
    Goal("p50 of the response to a POST, by INBOX_DURABILITY, ms", REST, _durability),
    Goal("broadcast to all users, users per second", REST, _broadcast, least=15_000),
    Goal("CPU of a page, × that of the smallest inbox", REST, _list("cpu_ratio", judged=True), most=1.3),
    Goal("time of a page, × that of the smallest inbox", REST, _list("time_ratio", judged=True), most=1.3),
    Goal("CPU of Redis for other combinations, ms", REST, _list("cpu_us_redis", judged=False, scale=1e-3), most=3),
    Goal("CPU of a page of a project, × that of a small project", REST, _catalog("cpu_ratio", judged=True), most=1.3),
    Goal("time of a page of a project, × that of a small project", REST, _catalog("time_ratio", judged=True), most=1.3),
    Goal("CPU of Redis for the events of a user, ms", REST, _catalog("cpu_us_redis", False, 1e-3, "events"), most=3),
    # A request reads the names of 1,000 users, a part of them in each call.
    Goal(
        "CPU of Redis for users by a part of a name, ms", REST, _catalog("cpu_us_redis", False, 1e-3, "users"), most=40
    ),
    Goal("CPU of a page of the dashboard, × that of a small project", REST, _admin("cpu_ratio"), most=1.3),
    Goal("time of a page of the dashboard, × that of a small project", REST, _admin("time_ratio"), most=1.3),
    Goal("CPU of Redis for a page of the dashboard, ms", REST, _admin("cpu_us_redis", 1e-3), most=1),
    *(Goal("memory of Redis, bytes", REST, _stored(what), most=most) for what, most in _BYTES.items()),
    Goal(
        "deliveries a second of a worker's core",
        REST,
        _delivery("drain", "per_core_second", "{provider}"),
        least=1500,
        only_shown="apns",
    ),
    Goal("CPU of a delivery, Redis, µs", REST, _delivery("drain", "cpu_us_redis", "{provider}"), most=120),
    Goal(
        "longest wait of a small project, ms",
        REST,
        _delivery("fairness", "wait_ms", "{small} deliveries behind {large:,}", "max"),
        most=2000,
    ),
    Goal(
        "p99 of live events beside deliveries, × without",
        REST,
        _delivery("live", "ratio", "{rate:g} events a second"),
        most=1.3,
    ),
    Goal(
        "memory that a hanging provider costs, MB", REST, _delivery("hang", "grown_mb", "after {seconds:g} s"), most=64
    ),
    Goal(
        "memory of a waiting delivery, bytes", REST, _delivery("queue", "bytes_each", "{queued:,} deliveries"), most=400
    ),
    Goal(
        "CPU of a claim, × that behind few deliveries",
        REST,
        _delivery("queue", "ratio", "behind {users:,} users"),
        most=1.3,
    ),
    # Half of INBOX_REDIS_TIMEOUT_SECONDS, so that no other call times out meanwhile.
    Goal("CPU of Redis for a change of a whole inbox, ms", REST, _inbox_change, most=1000),
]


def judge(rows: Sequence[Row]) -> list[Verdict]:
    """Return a verdict for each goal and place that was measured."""
    peers = dict.fromkeys(row["target"] for row in rows if not row["ours"] and row["transport"] != "raw")
    verdicts = []
    for goal in GOALS:
        alike = [row for row in rows if row["transport"] == goal.transport]
        theirs = {peer: goal.find([row for row in alike if row["target"] == peer]) for peer in peers}
        for where, value in goal.find([row for row in alike if row["ours"]]).items():
            there = {peer: found[where] for peer, found in theirs.items() if where in found}
            verdicts.append(Verdict(goal, where, value, there))
    return verdicts


def table(verdicts: Sequence[Verdict]) -> tuple[list[str], list[list[Any]]]:
    """Return the head and the rows of the table of verdicts."""
    peers = list(dict.fromkeys(peer for verdict in verdicts for peer in verdict.peers))
    head = ["", "where", "target", "ours", "met", *map(_short, peers)]
    return head, [
        [
            ", ".join(part for part in (NAMES[verdict.goal.transport], verdict.goal.name) if part),
            verdict.where,
            verdict.goal.limit(verdict.where, verdict.peers),
            verdict.ours,
            {True: "yes", False: "**no**", None: None}[verdict.is_met],
            *(verdict.peers.get(peer) for peer in peers),
        ]
        for verdict in verdicts
    ]


def _short(target: str) -> str:
    """Return the name of a server without the explanation in it."""
    return target.partition(" (")[0].partition(",")[0]
