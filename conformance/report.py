"""What a run prints: a line for each check as it ends, and a summary."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from conformance.checks import SPECIFICATION, Check, Result

_MARKS = {"pass": "pass", "fail": "FAIL", "skip": "skip"}


def line(result: Result) -> str:
    """Return what is printed of a result: a line, and below it what was wrong or why it was skipped."""
    found = f"{_MARKS[result.outcome]}  {result.number:<5} {result.sentence}"
    if result.outcome == "fail":
        found += f"\n      expected  {result.expected}\n      received  {result.received}"
        found += f"\n      section   {result.section} of {SPECIFICATION}"
    elif result.outcome == "skip":
        found += f"\n      because   {result.why}"
    elif result.did:
        found += f"\n      the client: {result.did}"
    return found


def summary(results: Sequence[Result]) -> str:
    """Return the last line: how many passed, failed and were skipped, and the numbers of those that failed."""
    outcomes = Counter(result.outcome for result in results)
    failed = [result.number for result in results if result.outcome == "fail"]
    found = f"{outcomes['pass']} passed, {outcomes['fail']} failed, {outcomes['skip']} skipped"
    return found + (f". Failed: {' '.join(failed)}" if failed else "")


def as_json(results: Sequence[Result]) -> str:
    """Return all results as one JSON document."""
    return json.dumps(
        {"specification": SPECIFICATION, "results": [result.as_dict() for result in results]},
        indent=2,
        ensure_ascii=False,
    )


def listing(checks: Sequence[Check[Any]]) -> str:
    """Return the numbers and sentences of checks."""
    return "\n".join(f"{check.number:<5} {check.sentence}" for check in checks)
