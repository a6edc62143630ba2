"""The generated parts of docs/reference/, generated from the code. `python -m tests.reference` rewrites the pages."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from gateway.api.operations import document
from gateway.domain.errors import CLOSE_CODE_MEANINGS, CloseCode, ErrorCode
from gateway.domain.project_event import ProjectEventType
from gateway.settings import Settings, default_of, variable
from gateway.store import store_metrics
from gateway.telemetry import metrics as counted
from gateway.telemetry import process_metrics
from tests.cli_reference import commands

PAGES = Path(__file__).parent.parent / "docs" / "reference"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _default(value: Any) -> str:
    text = (
        ",".join(value) if isinstance(value, tuple) else str(value).lower() if isinstance(value, bool) else str(value)
    )
    return f"`{text}`" if text else "unset"


def _fields(context: Mapping[str, str]) -> str:
    return "; ".join(f"`{name}`: {text.removesuffix('.')}" for name, text in context.items())


def metric_rows() -> list[list[str]]:
    """Return the name, the type, the labels and the meaning of each metric."""
    own = [metric for metric in vars(counted).values() if isinstance(metric, MetricWrapperBase)]
    found = [
        (family.name, family.type, metric._labelnames, family.documentation)
        for metric in own
        for family in metric.describe()
    ]
    found += [
        (each.name, each.type, each.labels, each.help) for each in (*process_metrics.FAMILIES, *store_metrics.FAMILIES)
    ]
    return sorted(
        [name + ("_total" if kind == "counter" else ""), kind, ", ".join(f"`{label}`" for label in labels), text]
        for name, kind, labels, text in found
    )


def tables() -> dict[str, str]:
    """Return the tables by the names of their pages, which are those of their markers."""
    return {
        "settings": _table(
            ["variable", "default", "meaning"],
            [
                [f"`{variable(item.name)}`", _default(default_of(item)), item.metadata["help"]]
                for item in fields(Settings)
            ],
        ),
        "errors": _table(
            ["status", "code", "message", "what to do"],
            [
                [str(code.kind.status), f"`{code.kind.code}`", code.kind.message, code.kind.suggestion]
                for code in sorted(ErrorCode, key=lambda code: code.kind.status)
            ],
        ),
        "close-codes": _table(
            ["code", "reason", "reconnect?", "meaning"],
            [
                [str(code.value), f"`{code.reason}`", "yes" if code.may_resume else "no", CLOSE_CODE_MEANINGS[code]]
                for code in sorted(CloseCode, key=lambda code: code.value)
            ],
        ),
        "project-events": _table(
            ["code", "type", "level", "log", "context"],
            [
                [str(each.code), f"`{each.label}`", each.level.value, each.log, _fields(each.context)]
                for each in ProjectEventType
            ],
        ),
        "rest": _operations(),
        "cli": commands(),
        "metrics": _table(
            ["metric", "type", "labels", "meaning"], [[f"`{name}`", *others] for name, *others in metric_rows()]
        ),
    }


_CALLERS = {"Token": "user", "ApiSecret": "backend", "WorkspaceToken": "workspace", "AdminToken": "admin"}
"""Who calls an operation that accepts these credentials. The first counts: backends may act for users."""


def _caller(operation: Mapping[str, Any]) -> str:
    accepted = {name for alternative in operation["security"] for name in alternative}
    return next((caller for name, caller in _CALLERS.items() if name in accepted), "anyone")


def _operations() -> str:
    """Return the operations of the REST API, a table for each tag."""
    api = document()
    rows: dict[str, list[list[str]]] = {tag["name"]: [] for tag in api["tags"]}
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            row = [f"`{method.upper()} {path}`", operation["summary"], _caller(operation)]
            rows[operation["tags"][0]].append(row)
    head = ["operation", "what it does", "who calls"]
    parts = [
        f"\n## {tag['name']}\n\n{tag['description']}\n\n{_table(head, rows[tag['name']])}\n" for tag in api["tags"]
    ]
    return "".join(parts)


def rendered() -> dict[Path, str]:
    """Return the pages with their tables generated from the code."""
    return {PAGES / f"{name}.md": _with_table(name, table) for name, table in tables().items()}


def _with_table(name: str, table: str) -> str:
    page = (PAGES / f"{name}.md").read_text()
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    assert begin in page, f"docs/reference/{name}.md has no marker"
    head, _, rest = page.partition(begin)
    return f"{head}{begin}\n{table}\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    for path, page in rendered().items():
        path.write_text(page)
