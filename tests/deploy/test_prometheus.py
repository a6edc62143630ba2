"""The rules for Prometheus and the dashboard for Grafana: what they name exists, and alerts fire when they should."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from gateway.telemetry.exposition import exposition
from tests.deploy.dashboard import PAGE, dashboard
from tests.deploy.prom_rules import FIRING, ROOT, RULES, rule_tests, rules, used
from tests.reference import metric_rows

TARGET_LABELS = frozenset(("job", "instance"))

METRICS = {name: frozenset(re.findall(r"`(\w+)`", labels)) for name, _, labels, _ in metric_rows()}
for name, kind, _, _ in metric_rows():
    if kind == "histogram":
        METRICS |= {
            f"{name}_bucket": METRICS[name] | {"le"},
            f"{name}_sum": METRICS[name],
            f"{name}_count": METRICS[name],
        }
METRICS["up"] = frozenset()

RECORDED = {
    rule["record"]: frozenset(re.search(r"by \(([^)]*)\)", rule["expr"])[1].replace(" ", "").split(","))  # type: ignore[index] # each has one
    for rule in rules()
    if "record" in rule
}

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: make prometheus")


def unknown(expression: str) -> list[str]:
    """Return what an expression names that does not exist."""
    known = {**METRICS, **RECORDED}
    wrong = [name for name, _ in used(expression) if name not in known]
    for name, labels in used(expression):
        wrong += [f"{name}{{{label}}}" for label in labels - known.get(name, labels) - TARGET_LABELS]
    available = TARGET_LABELS.union(*(known.get(name, frozenset()) for name, _ in used(expression)))
    for grouped in re.findall(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)", expression):
        wrong += [label for label in re.findall(r"\w+", grouped) if label not in available]
    return wrong


def test_the_check_finds_what_does_not_exist() -> None:
    assert unknown('sum by (lain) (inbox_delivery_lanes{stat="x"}) + inbox_nothing') == [
        "inbox_nothing",
        "inbox_delivery_lanes{stat}",
        "lain",
    ]


def test_each_metric_and_label_of_a_rule_exists() -> None:
    for rule in rules():
        assert unknown(rule["expr"]) == [], rule
        assert list(used(rule["expr"]))


def test_each_alert_has_a_severity_texts_and_a_runbook() -> None:
    page = (ROOT / "docs" / "production" / "alerts.md").read_text()
    headings = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    alerts = [rule for rule in rules() if "alert" in rule]
    assert sorted(headings) == sorted(rule["alert"] for rule in alerts)
    for rule in alerts:
        assert rule["labels"]["severity"] in ("critical", "warning")
        notes: dict[str, str] = rule["annotations"]
        assert notes["summary"]
        assert notes["description"].endswith((".", "?"))
        assert notes["runbook_url"].endswith(f"/production/alerts/#{rule['alert'].lower()}")


def test_each_alert_has_a_test() -> None:
    assert list(FIRING) == [rule["alert"] for rule in rules() if "alert" in rule]


def test_the_dashboard_is_the_one_that_is_built_and_names_only_what_exists() -> None:
    built = dashboard()
    assert json.loads(PAGE.read_text()) == built, "run `python -m tests.deploy.dashboard`"
    queries = [target["expr"] for panel in built["panels"] for target in panel.get("targets", ())]
    assert len(queries) > 30
    for query in queries:
        assert unknown(query.replace("$__rate_interval", "5m")) == [], query
    assert {each["name"] for each in built["templating"]["list"]} == {"datasource", "job", "instance"}
    places = [tuple(panel["gridPos"][key] for key in "xy") for panel in built["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in built["panels"]}) == len(places)


@promtool
def test_prometheus_accepts_the_configuration_and_the_metrics() -> None:
    subprocess.run(["promtool", "check", "config", RULES.with_name("prometheus.yaml")], check=True, timeout=60)
    text = exposition("", "gateway-1").body
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@promtool
def test_each_alert_fires_when_it_should_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "tests.yaml"
    file.write_text(yaml.safe_dump(rule_tests()))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
