"""A real Prometheus scrapes a real gateway: its target is up, the dashboard has data, and no alert fires."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.dashboard import SELECTED, dashboard
from tests.deploy.prom_rules import RULES, rules
from tests.servers import ADMIN, free_port, running_gateway, user_headers, wait_for

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")

WITHOUT_DATA = {
    "closed: {{reason}}",
    "reset: {{reason}}",
    "rate limit: {{kind}}",
    "finished a second: {{kind}}",
    "failures of {{task}}",
    "invalid: {{status}}",
    "{{cause}}",
    "{{lane}}",
    "{{lane}} {{state}}",
    "{{outcome}}",
}
"""The legends of queries that have no data because nothing of that kind has happened here."""


class Prometheus:
    """The API of a Prometheus."""

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **query: str) -> Any:
        response = httpx.get(f"{self.url}/api/v1/{path}", params=query, timeout=30)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    def result(self, query: str) -> list[Any]:
        """Return the series of a query."""
        found: list[Any] = self.get("query", query=query)["result"]
        return [each for each in found if each["value"][1] != "NaN"]

    def is_up(self) -> bool:
        try:
            targets = self.get("targets")["activeTargets"]
        except httpx.TransportError:
            return False
        return [each["health"] for each in targets] == ["up"]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    directory: Path = tmp_path_factory.mktemp("p")
    metrics, port = free_port(), free_port()
    settings = {"INBOX_WORKERS": "2", "INBOX_DELIVERY_WORKERS": "1", "INBOX_METRICS_PORT": str(metrics)}
    configuration = yaml.safe_load(RULES.with_name("prometheus.yaml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(RULES)]
    configuration["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{metrics}"]}]
    file = directory / "prometheus.yaml"
    file.write_text(yaml.safe_dump(configuration))
    command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}"]
    with running_gateway(directory / "gateway", **settings) as gateway, (directory / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=log, stdout=log)
        try:
            found = Prometheus(port)
            wait_for(found.is_up, "the target to be up", 60)
            _use(gateway.url, found)
            yield found
        finally:
            process.terminate()
            process.wait(30)


def _use(url: str, prometheus: Prometheus) -> None:
    """Send requests with a connection open, until rates can be computed."""
    with (
        httpx.Client(base_url=url, timeout=30) as client,
        client.stream("GET", "/realtime/sse", headers=user_headers("ada")) as stream,
    ):
        lines = stream.iter_lines()
        next(lines)

        def send() -> bool:
            content = {"notification": {"title": "t", "recipients": [{"external_id": "ada"}]}}
            client.post("/notifications", headers=ADMIN, json=content).raise_for_status()
            rates = ("inbox_events_delivered_total", "inbox_http_request_seconds_count", "inbox_delivery_seconds_count")
            return all(prometheus.result(f"rate({name}[1m]) > 0") for name in rates)

        wait_for(send, "rates of events", 60)


def test_the_queries_of_the_dashboard_have_data(prometheus: Prometheus) -> None:
    missing = []
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace(SELECTED, 'job="inbox-gateway"').replace("$__rate_interval", "1m")
            if not prometheus.result(query) and not ("provider" in query or "channel" in query):
                missing.append(target["legendFormat"] or panel["title"])
    assert set(missing) <= WITHOUT_DATA


def test_the_rules_are_evaluated_and_no_alert_fires(prometheus: Prometheus) -> None:
    def evaluated() -> bool:
        groups = prometheus.get("rules")["groups"]
        return all(rule["health"] == "ok" for group in groups for rule in group["rules"])

    wait_for(evaluated, "the rules to be evaluated", 60)
    found = [rule["name"] for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(found) == len(rules())
    assert prometheus.get("alerts")["alerts"] == []
    assert prometheus.result("job:inbox_connections:sum")
