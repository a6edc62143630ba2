"""Figures of rows: medians, rounding, and how they are printed."""

import statistics
from collections.abc import Sequence
from typing import Any


def median_or_none(values: Sequence[float | None]) -> float | None:
    """Return the median of the values that are not None, None if there are none."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def rounded(figures: dict[str, Any]) -> dict[str, Any]:
    """Return figures rounded to four digits, because further digits are noise."""
    return {name: _rounded(value) for name, value in figures.items()}


def short(value: Any) -> str:
    """Return a figure as the progress of a run prints it."""
    if isinstance(value, dict):
        shown = {name: value[name] for name in ("p50", "p99") if name in value} or value
        return "/".join(short(each) for each in shown.values())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return rounded(value)
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
