"""The plots of a run: latency percentiles, CPU and memory against connections, and those of the gateway alone."""

from collections.abc import Sequence

from loadtest.charts import STYLE, Chart, Line
from loadtest.journal import Row
from loadtest.targets.floor import RAW

__all__ = ["STYLE", "of_ourselves", "of_servers"]

_PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")


def of_servers(rows: Sequence[Row]) -> dict[str, Chart]:
    """Return the plots that compare servers, by file name, without empty ones."""
    latency = Chart(
        "Publish to receive, at half of each server's highest rate",
        "percentile",
        "ms",
        log_y=True,
        categories=_PERCENTILES,
    )
    for row in rows:
        if row["scenario"] == "unicast" and row["at"].startswith("50%") and row["latency_ms"]:
            points = [(float(index), row["latency_ms"][name]) for index, name in enumerate(_PERCENTILES)]
            latency.lines.append(Line(_name(row), points))
    found = {
        "latency": latency,
        "cpu": Chart("CPU per delivery", "connections", "µs", _lines(rows, "fanout", "cpu_us"), log_x=True, log_y=True),
        "memory": Chart(
            "Resident memory per idle connection", "connections", "KB", _lines(rows, "idle", "kb"), log_x=True
        ),
    }
    return {name: chart for name, chart in found.items() if chart.svg()}


def _lines(rows: Sequence[Row], scenario: str, figure: str) -> list[Line]:
    lines: dict[str, dict[float, float]] = {}
    for row in rows:
        if row["scenario"] == scenario and row.get(figure) is not None:
            # The last row of a floor has messages as long as those of the gateway.
            lines.setdefault(_name(row), {})[row["connections"]] = row[figure]
    return [Line(name, list(points.items())) for name, points in lines.items()]


def _name(row: Row) -> str:
    return str(row["target"]) if row["transport"] == RAW else f"{row['target']}, {row['transport']}"


def of_ourselves(rows: Sequence[Row]) -> list[Chart]:
    """Return the plots of scenarios in which only the gateway takes part."""
    chart = Chart("CPU per page of an inbox, server and Redis", "items in the inbox", "µs", log_x=True)
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["scenario"] == "list" and row["judged"]:
            lines.setdefault(row["filter"], []).append((row["items"], row["cpu_us"]))
    chart.lines = [Line(name, points) for name, points in lines.items()]
    return [chart, *_soaks(rows)]


def _soaks(rows: Sequence[Row]) -> list[Chart]:
    charts = []
    for row in rows:
        if row["scenario"] == "soak":
            for figure, unit in (("_kb", "KB"), ("tasks", "tasks"), ("files", "file descriptors")):
                names = [name for name in row["samples"][0] if name.endswith(figure)] if row["samples"] else []
                lines = [Line(name, [(point["seconds"], point[name]) for point in row["samples"]]) for name in names]
                charts.append(Chart(f"Soak over {row['transport']}: {unit}", "seconds", unit, lines))
    return charts
