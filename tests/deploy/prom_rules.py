"""The rules of deploy/prometheus, what they use, and a healthy gateway in which no alert fires."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"

Series = Mapping[str, str]

JOB = 'job="inbox-gateway",instance="a:1"'
HEALTHY: Series = {
    f"up{{{JOB}}}": "1x75",
    f'inbox_build_info{{{JOB},version="1",python="3",revision="a"}}': "1x75",
    f"inbox_store_up{{{JOB}}}": "1x75",
    f'inbox_store_problem{{{JOB},cause="store_full"}}': "0x75",
    f'inbox_redis_memory_used_bytes{{{JOB},server="redis"}}': "50x75",
    f'inbox_redis_memory_max_bytes{{{JOB},server="redis"}}': "100x75",
    f'inbox_redis_evicted_keys_total{{{JOB},server="redis"}}': "7x75",
    f'inbox_redis_info{{{JOB},server="redis",role="primary",policy="noeviction",persistence="aof"}}': ("1x75"),
    f'inbox_redis_aof_enabled{{{JOB},server="redis"}}': "1x75",
    f'inbox_redis_persistence_ok{{{JOB},server="redis"}}': "1x75",
    f'inbox_redis_replica_lag_bytes{{{JOB},server="redis"}}': "100x75",
    f'inbox_workers{{{JOB},kind="gateway"}}': "2x75",
    f'inbox_workers_configured{{{JOB},kind="gateway"}}': "2x75",
    f'inbox_workers{{{JOB},kind="delivery"}}': "1x75",
    f'inbox_workers_configured{{{JOB},kind="delivery"}}': "1x75",
    f'inbox_worker_restarts_total{{{JOB},kind="gateway"}}': "3x75",
    f'inbox_task_failures_total{{{JOB},task="jobs"}}': "3x75",
    f'process_open_fds{{{JOB},process="gateway-1"}}': "100x75",
    f'process_max_fds{{{JOB},process="gateway-1"}}': "1000x75",
    f'inbox_http_request_seconds_count{{{JOB},route="/x",method="GET",status="2xx"}}': "0+600x75",
    f'inbox_http_request_seconds_bucket{{{JOB},route="/x",method="GET",status="2xx",le="0.5"}}': "0+600x75",
    f'inbox_http_request_seconds_bucket{{{JOB},route="/x",method="GET",status="2xx",le="5.0"}}': "0+600x75",
    f'inbox_http_request_seconds_bucket{{{JOB},route="/x",method="GET",status="2xx",le="+Inf"}}': "0+600x75",
    f'inbox_delivery_seconds_bucket{{{JOB},le="0.5"}}': "0+600x75",
    f'inbox_delivery_seconds_bucket{{{JOB},le="5.0"}}': "0+600x75",
    f'inbox_delivery_seconds_bucket{{{JOB},le="+Inf"}}': "0+600x75",
    f"inbox_pubsub_delay_seconds{{{JOB}}}": "0.001x75",
    f'inbox_connections{{{JOB},transport="sse"}}': "1000x75",
    f'inbox_delivery_lanes{{{JOB},lane="email",state="running"}}': "2x75",
    f'inbox_delivery_lane_waiting_users{{{JOB},lane="email"}}': "5x75",
    f'inbox_delivery_lane_oldest_due_seconds{{{JOB},lane="email"}}': "1x75",
    f'inbox_deliveries_total{{{JOB},channel="email",provider="ses",outcome="delivered"}}': "0+60x75",
    f"inbox_jobs_queued{{{JOB}}}": "1x75",
    f"inbox_log_lines_dropped_total{{{JOB}}}": "0x75",
    f"inbox_project_events_dropped_total{{{JOB}}}": "0x75",
}

GONE = "_x75"

FIRING: Mapping[str, Series] = {
    "InboxNodeDown": {'up{job="inbox-gateway",instance="b:1"}': "0x75"},
    "InboxNoNodes": {f"up{{{JOB}}}": GONE},
    "InboxStoreDown": {f"inbox_store_up{{{JOB}}}": "0x75"},
    "InboxStoreProblem": {f'inbox_store_problem{{{JOB},cause="store_full"}}': "1x75"},
    "InboxRedisMemoryHigh": {f'inbox_redis_memory_used_bytes{{{JOB},server="redis"}}': "90x75"},
    "InboxRedisMemoryFull": {f'inbox_redis_memory_used_bytes{{{JOB},server="redis"}}': "50x70 96x5"},
    "InboxRedisEvicts": {f'inbox_redis_evicted_keys_total{{{JOB},server="redis"}}': "0+1x75"},
    "InboxRedisPolicy": {f'inbox_redis_info{{{JOB},server="redis",policy="allkeys-lru"}}': "1x75"},
    "InboxRedisNotPersistent": {f'inbox_redis_aof_enabled{{{JOB},server="redis"}}': "0x75"},
    "InboxRedisSavingFails": {f'inbox_redis_persistence_ok{{{JOB},server="redis"}}': "0x75"},
    "InboxReplicaBehind": {f'inbox_redis_replica_lag_bytes{{{JOB},server="redis"}}': "20000000x75"},
    "InboxWorkersMissing": {f'inbox_workers{{{JOB},kind="gateway"}}': "1x75"},
    "InboxWorkerRestarts": {f'inbox_worker_restarts_total{{{JOB},kind="gateway"}}': "0+1x75"},
    "InboxTasksFail": {f'inbox_task_failures_total{{{JOB},task="jobs"}}': "0+1x75"},
    "InboxFileDescriptors": {f'process_open_fds{{{JOB},process="gateway-1"}}': "900x75"},
    "InboxErrors": {
        f'inbox_http_request_seconds_count{{{JOB},route="/x",method="GET",status="5xx"}}': "0+60x75",
    },
    "InboxSlowRequests": {
        f'inbox_http_request_seconds_bucket{{{JOB},route="/x",method="GET",status="2xx",le="0.5"}}': "0+300x75",
    },
    "InboxSlowEvents": {f'inbox_delivery_seconds_bucket{{{JOB},le="0.5"}}': "0+300x75"},
    "InboxBrokerDelay": {f"inbox_pubsub_delay_seconds{{{JOB}}}": "2x75"},
    "InboxConnectionsDropped": {f'inbox_connections{{{JOB},transport="sse"}}': "1000x65 10x10"},
    "InboxLaneParked": {f'inbox_delivery_lanes{{{JOB},lane="email",state="parked"}}': "1x75"},
    "InboxDeliveryLate": {f'inbox_delivery_lane_oldest_due_seconds{{{JOB},lane="email"}}': "900x75"},
    "InboxNoDelivery": {
        f'inbox_workers{{{JOB},kind="delivery"}}': GONE,
        f'inbox_workers_configured{{{JOB},kind="delivery"}}': GONE,
    },
    "InboxDeliveriesFail": {
        f'inbox_deliveries_total{{{JOB},channel="email",provider="ses",outcome="refused"}}': "0+60x75",
    },
    "InboxJobsWait": {f"inbox_jobs_queued{{{JOB}}}": "99x75"},
    "InboxDropped": {f"inbox_log_lines_dropped_total{{{JOB}}}": "0+1x75"},
    "InboxVersionsDiffer": {
        'inbox_build_info{job="inbox-gateway",instance="b:1",version="2",python="3",revision="b"}': "1x75",
    },
}
"""What differs from the healthy gateway, for each alert."""


def rules() -> list[dict[str, Any]]:
    """Return all rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def used(expression: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the metrics of an expression, each with the labels by which it is selected."""
    for found in re.finditer(r"\b((?:\w+:)?(?:inbox|process)_\w+(?::\w+)?|up)\b(\{[^}]*\})?", expression):
        yield found[1], frozenset(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", found[2] or ""))


def rule_tests() -> dict[str, Any]:
    """Return the unit tests of the alerts, as promtool reads them."""

    def test(alerts: list[str], series: Series) -> dict[str, Any]:
        return {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in {**HEALTHY, **series}.items()],
            "promql_expr_test": [
                {
                    "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": "75m",
                    "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts],
                }
            ],
        }

    tests = [test([], {}), *(test([alert], series) for alert, series in FIRING.items())]
    return {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}
