"""The dashboard for Grafana. `python -m tests.deploy.dashboard` writes deploy/grafana/inbox-gateway.json."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).parent.parent.parent / "deploy" / "grafana" / "inbox-gateway.json"

WIDTH = 24
SELECTED = 'job=~"$job",instance=~"$instance"'
RATE = "[$__rate_interval]"


class Query(NamedTuple):
    """A query. `S` in its expression selects the job and the instances."""

    expression: str
    legend: str = ""


class Panel(NamedTuple):
    """A panel: a graph, or a number."""

    title: str
    queries: Sequence[Query]
    unit: str = "short"
    type: str = "timeseries"
    width: int = 8
    height: int = 8
    description: str = ""
    thresholds: Sequence[tuple[float | None, str]] = ((None, "green"),)


def number(title: str, expression: str, unit: str = "short", *limits: tuple[float, str], start: str = "green") -> Panel:
    """Return a panel with one number."""
    return Panel(title, [Query(expression)], unit, "stat", 3, 4, "", ((None, start), *limits))


def quantiles(metric: str, by: str = "") -> list[Query]:
    """Return the queries of the quantiles of a histogram."""
    labels = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return [
        Query(f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket{{S}}{RATE})))", f"p{q * 100:g}{legend}")
        for q in ((0.5, 0.95, 0.99) if not by else (0.95,))
    ]


ROWS: Sequence[tuple[str, Sequence[Panel]]] = (
    (
        "Overview",
        (
            number("Nodes", "count(up{S} == 1) or vector(0)", "short", (1, "green"), start="red"),
            number("Redis", "min(inbox_store_up{S})", "bool_on_off", (1, "green"), start="red"),
            number("Live connections", "sum(inbox_connections{S})"),
            number("Active users this month", "max(inbox_active_users{S})"),
            number("Requests a second", f"sum(rate(inbox_http_request_seconds_count{{S}}{RATE}))", "reqps"),
            number(
                "Requests that failed",
                f'(sum(rate(inbox_http_request_seconds_count{{S,status="5xx"}}{RATE})) or vector(0))'
                f" / sum(rate(inbox_http_request_seconds_count{{S}}{RATE}))",
                "percentunit",
                (0.01, "yellow"),
                (0.05, "red"),
            ),
            number(
                "Slowest delivery is due for",
                "max(inbox_delivery_lane_oldest_due_seconds{S}) or vector(0)",
                "s",
                (60, "yellow"),
                (300, "red"),
            ),
            number("Parked lanes", 'max(inbox_delivery_lanes{S,state="parked"}) or vector(0)', "short", (1, "red")),
        ),
    ),
    (
        "Connections",
        (
            Panel("Live connections", [Query("sum by (transport) (inbox_connections{S})", "{{transport}}")]),
            Panel(
                "Opened and closed",
                [
                    Query(
                        f"sum by (transport) (rate(inbox_connections_opened_total{{S}}{RATE}))", "opened {{transport}}"
                    ),
                    Query(f"sum by (reason) (rate(inbox_connections_closed_total{{S}}{RATE}))", "closed: {{reason}}"),
                ],
                "ops",
            ),
            Panel(
                "Resumed, reset, slow",
                [
                    Query(f"sum(rate(inbox_resumes_total{{S}}{RATE}))", "resumed"),
                    Query(f"sum by (reason) (rate(inbox_resets_total{{S}}{RATE}))", "reset: {{reason}}"),
                    Query(f"sum(rate(inbox_slow_readers_closed_total{{S}}{RATE}))", "slow readers"),
                ],
                "ops",
                description="Resets mean that clients had to fetch their inbox again.",
            ),
        ),
    ),
    (
        "Events and requests",
        (
            Panel(
                "Events written to sockets",
                [
                    Query(f"sum(rate(inbox_events_delivered_total{{S}}{RATE}))", "events"),
                    Query(f"sum(rate(inbox_gaps_healed_total{{S}}{RATE}))", "gaps healed"),
                ],
                "ops",
            ),
            Panel("From Redis to the socket", quantiles("inbox_delivery_seconds"), "s"),
            Panel("Delay of Redis pub/sub", [Query("inbox_pubsub_delay_seconds{S}", "{{instance}}")], "s"),
            Panel(
                "Requests by status",
                [Query(f"sum by (status) (rate(inbox_http_request_seconds_count{{S}}{RATE}))", "{{status}}")],
                "reqps",
            ),
            Panel("Time of requests", quantiles("inbox_http_request_seconds"), "s"),
            Panel(
                "Slowest routes, 95 %",
                [
                    Query(
                        "topk(10, histogram_quantile(0.95, sum by (le, method, route) "
                        f"(rate(inbox_http_request_seconds_bucket{{S}}{RATE}))))",
                        "{{method}} {{route}}",
                    )
                ],
                "s",
            ),
            Panel(
                "Refused",
                [
                    Query(f"sum by (kind) (rate(inbox_rate_limited_total{{S}}{RATE}))", "rate limit: {{kind}}"),
                    Query(f"sum(rate(inbox_new_users_refused_total{{S}}{RATE}))", "new users"),
                    Query(f"sum by (status) (rate(inbox_http_refused_total{{S}}{RATE}))", "invalid: {{status}}"),
                    Query(f"sum(rate(inbox_bodies_refused_total{{S}}{RATE}))", "too many bodies"),
                ],
                "ops",
            ),
            Panel(
                "Jobs",
                [
                    Query("max(inbox_jobs_queued{S})", "not finished"),
                    Query("sum(inbox_jobs_running{S})", "running"),
                    Query(f"sum by (kind) (rate(inbox_jobs_finished_total{{S}}{RATE}))", "finished a second: {{kind}}"),
                ],
            ),
            Panel(
                "Dropped",
                [
                    Query(f"sum(rate(inbox_log_lines_dropped_total{{S}}{RATE}))", "log lines"),
                    Query(f"sum(rate(inbox_project_events_dropped_total{{S}}{RATE}))", "events of projects"),
                    Query(f"sum by (task) (rate(inbox_task_failures_total{{S}}{RATE}))", "failures of {{task}}"),
                ],
                "ops",
            ),
        ),
    ),
    (
        "Redis",
        (
            Panel(
                "Memory",
                [
                    Query("max by (server) (inbox_redis_memory_used_bytes{S})", "used {{server}}"),
                    Query("max by (server) (inbox_redis_memory_max_bytes{S})", "maxmemory {{server}}"),
                ],
                "bytes",
            ),
            Panel(
                "Problems",
                [
                    Query("max by (cause) (inbox_store_problem{S}) > 0", "{{cause}}"),
                    Query("1 - min by (server) (inbox_redis_up{S})", "{{server}} is down"),
                    Query("1 - min by (server) (inbox_redis_persistence_ok{S})", "{{server}} cannot save"),
                    Query(f"sum(rate(inbox_redis_errors_total{{S}}{RATE}))", "failed round trips a second"),
                    Query(f"max by (server) (rate(inbox_redis_evicted_keys_total{{S}}{RATE}))", "evictions {{server}}"),
                ],
                description="Nothing in this panel means that all is well.",
            ),
            Panel(
                "Commands and clients",
                [
                    Query("max by (server) (inbox_redis_commands_per_second{S})", "commands a second {{server}}"),
                    Query("max by (server) (inbox_redis_connected_clients{S})", "clients {{server}}"),
                ],
            ),
            Panel(
                "Calls of Redis functions",
                [Query(f"topk(10, sum by (function) (rate(inbox_redis_calls_total{{S}}{RATE})))", "{{function}}")],
                "ops",
                width=12,
            ),
            Panel(
                "Replication",
                [
                    Query("max by (server) (inbox_redis_connected_replicas{S})", "replicas {{server}}"),
                    Query("max by (server) (inbox_redis_replica_lag_bytes{S})", "bytes behind {{server}}"),
                ],
                width=12,
            ),
        ),
    ),
    (
        "Deliveries",
        (
            Panel(
                "Attempts by outcome",
                [Query(f"sum by (outcome) (rate(inbox_deliveries_total{{S}}{RATE}))", "{{outcome}}")],
                "ops",
            ),
            Panel(
                "Attempts by provider",
                [Query(f"sum by (provider) (rate(inbox_deliveries_total{{S}}{RATE}))", "{{provider}}")],
                "ops",
            ),
            Panel("Time that providers took, 95 %", quantiles("inbox_delivery_request_seconds", "provider"), "s"),
            Panel("Users who wait", [Query("max by (lane) (inbox_delivery_lane_waiting_users{S})", "{{lane}}")]),
            Panel(
                "Due for",
                [Query("max by (lane) (inbox_delivery_lane_oldest_due_seconds{S})", "{{lane}}")],
                "s",
                description="For how long the first user is due, of lanes that are not parked or throttled.",
            ),
            Panel(
                "Lanes that do not run",
                [Query('max by (lane, state) (inbox_delivery_lanes{S,state!="running"})', "{{lane}} {{state}}")],
            ),
            Panel(
                "From acceptance to the provider, 95 %",
                quantiles("inbox_accepted_to_delivered_seconds", "channel"),
                "s",
            ),
            Panel(
                "Dead tokens",
                [Query(f"sum by (provider) (rate(inbox_delivery_tokens_discarded_total{{S}}{RATE}))", "{{provider}}")],
                "ops",
            ),
            Panel("Being sent", [Query("sum(inbox_deliveries_in_flight{S})", "users")]),
        ),
    ),
    (
        "Processes",
        (
            Panel(
                "CPU", [Query(f"rate(process_cpu_seconds_total{{S}}{RATE})", "{{instance}} {{process}}")], "percentunit"
            ),
            Panel("Memory", [Query("process_resident_memory_bytes{S}", "{{instance}} {{process}}")], "bytes"),
            Panel(
                "File descriptors",
                [Query("process_open_fds{S} / process_max_fds{S}", "{{instance}} {{process}}")],
                "percentunit",
            ),
            Panel("Running", [Query("sum by (instance, kind) (inbox_workers{S})", "{{instance}} {{kind}}")]),
            Panel(
                "Started again after a death",
                [
                    Query(
                        f"sum by (instance, kind) (increase(inbox_worker_restarts_total{{S}}{RATE}))",
                        "{{instance}} {{kind}}",
                    )
                ],
            ),
            Panel(
                "Versions",
                [Query("count by (version, revision) (inbox_build_info{S})", "{{version}} {{revision}}")],
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """Return the dashboard, as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        panels.append(_row(title, len(panels) + 1, top))
        top += 1
        left = height = 0
        for panel in row:
            if left + panel.width > WIDTH:
                left, top = 0, top + height
                height = 0
            panels.append(_panel(panel, len(panels) + 1, left, top))
            left, height = left + panel.width, max(height, panel.height)
        top += height
    return {
        "uid": "inbox-gateway",
        "title": "Inbox gateway",
        "tags": ["inbox-gateway"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": panels,
    }


def _variables() -> list[dict[str, Any]]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    every = {"type": "query", "datasource": source, "refresh": 2, "multi": True, "includeAll": True, "sort": 1}
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {"name": "job", "label": "Job", "query": "label_values(inbox_build_info, job)", **every},
        {
            "name": "instance",
            "label": "Node",
            "query": 'label_values(inbox_build_info{job=~"$job"}, instance)',
            **every,
        },
    ]


def _row(title: str, number: int, top: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: Panel, number: int, left: int, top: int) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    steps = [{"value": value, "color": color} for value, color in panel.thresholds]
    return {
        "id": number,
        "type": panel.type,
        "title": panel.title,
        "description": panel.description,
        "datasource": source,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": source,
                "expr": query.expression.replace("{S", "{" + SELECTED),
                "legendFormat": query.legend,
            }
            for index, query in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    PAGE.write_text(json.dumps(dashboard(), indent=2) + "\n")
