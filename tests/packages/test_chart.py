"""The chart, rendered by Helm: what the API server would accept, and what an operator relies on."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import click
import httpx
import pytest

from gateway.cli import cli
from gateway.server.valkey.binary import valkey_binary
from gateway.settings import load_settings
from tests.chart_readme import CHART, guide_values
from tests.servers import free_port, wait_for

PYTHON = Path(os.environ.get("CHARTS_PYTHON", CHART.parent.parent / ".venv-charts/bin/python"))
VERSIONS = ["1.27", "1.30", "1.34", "1.37"]

REDIS = "redis://redis.example.internal:6379"
CASES: dict[str, dict[str, Any]] = {
    "to start with": {"valkey": {"enabled": True}},
    "everything": {
        "redis": {"url": REDIS},
        "trustedProxies": "10.42.0.0/16",
        "settings": {"INBOX_LOG_LEVEL": "warning", "INBOX_RATE_LIMIT_READS": 500, "INBOX_ACCESS_LOG": False},
        "extraEnv": [{"name": "INBOX_PUSH_CONTACT", "value": "mailto:ops@example.com"}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
        "image": {"digest": f"sha256:{'0' * 64}", "pullSecrets": ["registry"]},
        "ingress": {"enabled": True, "className": "nginx", "annotations": {"a": "b"}},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
        "autoscaling": {"enabled": True, "connections": {"enabled": True}},
        "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
        "networkPolicy": {
            "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}],
            "dashboardFrom": [{"podSelector": {}}],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        },
        "gateway": {"nodeSelector": {"pool": "inbox"}, "tolerations": [{"key": "inbox", "operator": "Exists"}]},
    },
    "the guide": guide_values(),
    "least": {
        "secret": {"existingSecret": "own"},
        "delivery": {"enabled": False},
        "dashboard": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "serviceAccount": {"create": False},
        "topologyKeys": [],
    },
    "no store": {},
    "two stores": {"valkey": {"enabled": True}, "redis": {"url": REDIS}},
    "ingress without proxies": {"redis": {"url": REDIS}, "ingress": {"enabled": True}},
    "misspelt": {"valkey": {"enabled": True}, "gateway": {"replica": 3}},
}
REFUSED = {
    "no store": "set redis.url to your Redis or Valkey, or valkey.enabled=true",
    "two stores": "set redis.url or valkey.enabled, not both",
    "ingress without proxies": "set trustedProxies to the network of your ingress controller's pods",
    "misspelt": "replica",
}

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="Helm's library is not installed: run `make charts`")


@pytest.fixture(scope="module")
def outcome() -> dict[str, Any]:
    asked = json.dumps({"chart": str(CHART), "versions": VERSIONS, "cases": CASES})
    command = (str(PYTHON), str(Path(__file__).parent / "helm.py"))
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=500, check=True)
    return dict(json.loads(done.stdout))


def objects(outcome: dict[str, Any], case: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the objects of a case by kind and name."""
    found = outcome["cases"][case]
    assert found["error"] == ""
    return {(one["kind"], one["metadata"]["name"]): one for one in found["objects"]}


def pod(one: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the pod and its only container."""
    spec = one["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return spec, container


NAME = "inbox-gateway"


def test_helm_finds_nothing_to_improve_but_the_icon(outcome: dict[str, Any]) -> None:
    assert [message["error"] for message in outcome["lint"]["messages"]] == ["icon is recommended"]
    assert outcome["lint"]["errors"] == []


def test_pods_reach_no_metadata_service_of_a_cloud_by_either_protocol(outcome: dict[str, Any]) -> None:
    policy = objects(outcome, "to start with")["NetworkPolicy", NAME]
    blocks = [each["ipBlock"] for each in policy["spec"]["egress"][-1]["to"]]
    assert blocks == [
        {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]},
        {"cidr": "::/0", "except": ["fd00:ec2::/32"]},
    ]


def test_every_object_is_valid_in_every_version(outcome: dict[str, Any]) -> None:
    for case in CASES.keys() - REFUSED.keys():
        assert outcome["cases"][case].get("faults") == [], case
        found = outcome["cases"][case]["objects"]
        assert len(objects(outcome, case)) == len(found)


def test_values_that_cannot_work_are_refused_with_what_to_set(outcome: dict[str, Any]) -> None:
    for case, message in REFUSED.items():
        assert message in outcome["cases"][case]["error"], case


def test_pods_run_restricted(outcome: dict[str, Any]) -> None:
    checked = 0
    for case in CASES.keys() - REFUSED.keys():
        for (kind, _), one in objects(outcome, case).items():
            if kind not in ("Deployment", "StatefulSet"):
                continue
            spec, container = pod(one)
            assert spec["securityContext"]["runAsNonRoot"] is True
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
            assert container["resources"]["requests"]
            checked += 1
    assert checked == 8


def test_pods_have_longer_to_stop_than_the_gateway_needs(outcome: dict[str, Any]) -> None:
    for (kind, _), one in objects(outcome, "to start with").items():
        if kind == "Deployment":
            spec, container = pod(one)
            values = {entry["name"]: entry.get("value", "") for entry in container["env"]}
            before = int(container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [0, 0])[1])
            assert spec["terminationGracePeriodSeconds"] >= before + float(values["INBOX_DRAIN_SECONDS"]) + 10


def test_the_gateway_accepts_the_environment_and_has_the_commands(outcome: dict[str, Any]) -> None:
    for case in CASES.keys() - REFUSED.keys():
        found = objects(outcome, case)
        for (kind, _), one in found.items():
            if kind != "Deployment":
                continue
            _, container = pod(one)
            secrets = {"secret-key": "s" * 32, "redis-url": REDIS, "password": "p" * 32}
            environment = {
                entry["name"]: entry.get("value") or secrets[entry["valueFrom"]["secretKeyRef"]["key"]]
                for entry in container["env"]
            }
            for name, value in environment.items():
                environment[name] = value.replace("$(VALKEY_PASSWORD)", secrets["password"])
            settings = load_settings(environment)
            assert settings.secret_key == secrets["secret-key"]
            assert not settings.embedded
            program, command = container["command"]
            assert program == "inbox-gateway"
            assert cli.get_command(click.Context(cli), command) is not None


def test_settings_replace_what_the_chart_sets_and_reach_both_deployments(outcome: dict[str, Any]) -> None:
    found = objects(outcome, "everything")
    for name in (NAME, f"{NAME}-delivery"):
        _, container = pod(found["Deployment", name])
        values = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert values["INBOX_PUBLIC_URL"] == "https://inbox.example.com"
        assert values["INBOX_TRUSTED_PROXIES"] == "10.42.0.0/16"
        assert (values["INBOX_RATE_LIMIT_READS"], values["INBOX_ACCESS_LOG"]) == ("500", "false")
        assert container["image"] == f"inbox-gateway@sha256:{'0' * 64}"


def test_selectors_select_the_pods_of_one_component(outcome: dict[str, Any]) -> None:
    found = objects(outcome, "to start with")
    labels = {name: one["spec"]["template"]["metadata"]["labels"] for (_, name), one in found.items() if _is_pods(one)}
    for (kind, name), one in found.items():
        if kind in ("Service", "PodDisruptionBudget", "Deployment", "StatefulSet"):
            selector = one["spec"]["selector"]
            selector = selector.get("matchLabels", selector)
            selected = [pods for pods, these in labels.items() if selector.items() <= these.items()]
            both = [NAME, f"{NAME}-delivery"]
            expected = both if name.endswith("-metrics") else [name.removesuffix("-dashboard")]
            assert sorted(selected) == expected, (kind, name)


def _is_pods(one: dict[str, Any]) -> bool:
    return one["kind"] in ("Deployment", "StatefulSet")


def test_the_autoscaler_counts_connections_and_falls_back_to_the_cpu(outcome: dict[str, Any]) -> None:
    found = objects(outcome, "everything")
    kinds = [metric["type"] for metric in found["HorizontalPodAutoscaler", NAME]["spec"]["metrics"]]
    assert kinds == ["Pods", "Resource"]
    assert "replicas" not in found["Deployment", NAME]["spec"]


def test_a_chart_without_a_port_of_the_dashboard_opens_none(outcome: dict[str, Any]) -> None:
    found = objects(outcome, "least")
    assert {kind for kind, _ in found} == {"Deployment", "Service"}
    _, container = pod(found["Deployment", NAME])
    assert {"name": "INBOX_ADMIN", "value": "off"} in container["env"]
    assert [port["name"] for port in container["ports"]] == ["http", "metrics"]
    assert "INBOX_DELIVERY_WORKERS" not in {entry["name"] for entry in container["env"]}


def test_the_notes_name_the_next_commands(outcome: dict[str, Any]) -> None:
    notes = outcome["cases"]["to start with"]["notes"]
    assert f"kubectl --namespace inbox exec deployment/{NAME} -- inbox-gateway project create NAME" in notes
    assert "Clients reach it at https://inbox.example.com" in outcome["cases"]["everything"]["notes"]


def environment_of(container: dict[str, Any], found: dict[tuple[str, str], dict[str, Any]]) -> dict[str, str]:
    """Return the environment of a container, with what its Secrets have."""
    values: dict[str, str] = {}
    for entry in container["env"]:
        if "valueFrom" in entry:
            reference = entry["valueFrom"]["secretKeyRef"]
            secret = found["Secret", reference["name"]]
            plain = secret.get("stringData", {}).get(reference["key"])
            values[entry["name"]] = plain or base64.b64decode(secret["data"][reference["key"]]).decode()
        else:
            values[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda match: values[match[1]], entry["value"])
    return values


@contextmanager
def running(command: Sequence[str], environment: dict[str, str], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run what a container runs, as a process of this machine. Kill it at the end if it still runs."""
    log = (folder / f"{Path(command[0]).name}-{len(list(folder.iterdir()))}.log").open("wb")
    with log, subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.kill()


def responds(port: int, path: str) -> int:
    """Return the status of a response, 0 if there is none."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5).status_code
    except httpx.HTTPError:
        return 0


def test_what_the_pods_run_starts_with_what_the_pods_get_and_passes_the_probes(
    outcome: dict[str, Any], tmp_path: Path
) -> None:
    found = objects(outcome, "to start with")
    ports = {name: free_port() for name in ("valkey", "http", "dashboard", "metrics", "delivery")}
    configuration = tmp_path / "valkey.conf"
    text = found["Secret", f"{NAME}-valkey"]["stringData"]["valkey.conf"]
    configuration.write_text(f"{text.replace('dir /data', f'dir {tmp_path}')}port {ports['valkey']}\nbind 127.0.0.1\n")
    gateway, delivery = (pod(found["Deployment", name])[1] for name in (NAME, f"{NAME}-delivery"))

    def start(container: dict[str, Any], metrics: int) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        environment = environment_of(container, found)
        here = f"@127.0.0.1:{ports['valkey']}"
        environment["INBOX_REDIS_URL"] = environment["INBOX_REDIS_URL"].replace(f"@{NAME}-valkey:6379", here)
        environment |= {"INBOX_HOST": "127.0.0.1", "INBOX_METRICS_HOST": "127.0.0.1", "INBOX_DRAIN_SECONDS": "1"}
        environment |= {"INBOX_METRICS_PORT": str(metrics), "INBOX_DATA_DIR": str(tmp_path)}
        if "INBOX_ADMIN_PORT" in environment:
            environment |= {"INBOX_PORT": str(ports["http"]), "INBOX_ADMIN_PORT": str(ports["dashboard"])}
        program, *arguments = container["command"]
        return running([str(Path(sys.executable).parent / program), *arguments], environment, tmp_path)

    with running([str(valkey_binary()), str(configuration)], {}, tmp_path), start(gateway, ports["metrics"]) as serving:
        wait_for(lambda: responds(ports["http"], gateway["readinessProbe"]["httpGet"]["path"]) == 200, "ready", 60)
        with start(delivery, ports["delivery"]) as delivering:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert delivery[probe]["httpGet"]["port"] == "metrics"
                path = delivery[probe]["httpGet"]["path"]
                wait_for(lambda path=path: responds(ports["delivery"], path) == 200, path, 60)  # type: ignore[misc]
            assert responds(ports["metrics"], "/metrics") == responds(ports["dashboard"], "/admin/") == 200
            assert responds(ports["http"], "/metrics") == responds(ports["http"], "/admin/") == 404
            for process in (serving, delivering):
                process.terminate()
            assert [process.wait(40) for process in (serving, delivering)] == [0, 0]
