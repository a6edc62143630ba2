"""Render a chart with Helm, and validate the objects by the schemas of Kubernetes.

It runs in the environment that `make charts` makes, not in that of the tests. Standard input has the path of the chart,
the versions of Kubernetes and values by case, as JSON; standard output has the result of each case.
"""

import json
import sys
from typing import Any

import helm_python
import kubernetes_validate
import yaml

NOT_OF_KUBERNETES = ("HTTPRoute", "ServiceMonitor")
"""Kinds of others, for which there are no schemas."""


def rendered(chart: Any, values: dict[str, Any], versions: list[str]) -> dict[str, Any]:
    """Return the objects, the notes and the faults of a case, or the error of Helm."""
    try:
        chart.validate_schema(values)
        files = chart.render(values, name="inbox-gateway", namespace="inbox")
    except helm_python.HelmError as error:
        return {"error": str(error)}
    objects, notes = [], ""
    for name, text in files.items():
        if name.endswith("NOTES.txt"):
            notes = text
        else:
            objects += [one for one in yaml.safe_load_all(text) if one]
    faults = [fault for one in objects for version in versions for fault in faults_of(one, version)]
    return {"error": "", "objects": objects, "notes": notes, "faults": faults}


def faults_of(one: dict[str, Any], version: str) -> list[str]:
    """Return what the API server of a version would refuse, unknown fields among it."""
    if one["kind"] in NOT_OF_KUBERNETES:
        return []
    try:
        kubernetes_validate.validate(one, version, strict=True)
    except kubernetes_validate.ValidationError as fault:
        place = ".".join(map(str, fault.absolute_path))
        return [f"{version}: {one['kind']} {one['metadata']['name']}: {place}: {fault.message[:200]}"]
    return []


def main() -> None:
    """Read the cases, and write the results."""
    asked = json.load(sys.stdin)
    lint = helm_python.lint(asked["chart"], values={"valkey": {"enabled": True}}, strict=True)
    with helm_python.Chart.load(asked["chart"]) as chart:
        cases = {name: rendered(chart, values, asked["versions"]) for name, values in asked["cases"].items()}
    json.dump({"lint": lint, "cases": cases, "helm": helm_python.helm_sdk_version()}, sys.stdout)


if __name__ == "__main__":
    main()
