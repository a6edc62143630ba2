"""How exceptions that nobody expected are logged."""

import os

from gateway.telemetry.faults import PLACES, described, log_fault
from tests.logs import captured_log

SECRET = "sk_live_9f8e7d"


def fail(depth: int) -> None:
    if depth:
        fail(depth - 1)
    try:
        os.environ[SECRET]
    except KeyError as problem:
        raise ValueError(f"cannot process {SECRET}") from problem


def test_the_type_and_the_places_are_logged_and_never_the_text() -> None:
    with captured_log() as lines:
        try:
            fail(PLACES)
        except ValueError as problem:
            log_fault("something_failed", problem, part="a")
    (line,) = lines
    assert (line["event"], line["level"], line["part"]) == ("something_failed", "error", "a")
    assert line["problem"] == "ValueError from KeyError"
    assert len(line["where"]) == PLACES
    assert line["where"][0].endswith(" fail")
    assert "test_faults.py:" in line["where"][0]
    assert SECRET not in str(lines)


def test_the_first_exception_of_a_group_is_described() -> None:
    group = ExceptionGroup("all", [ExceptionGroup("inner", [KeyError(SECRET)]), ValueError()])
    assert described(group) == {"problem": "KeyError", "where": []}


def test_a_cause_that_was_suppressed_is_left_out() -> None:
    problem = ValueError()
    problem.__context__, problem.__suppress_context__ = KeyError(SECRET), True
    assert described(problem) == {"problem": "ValueError", "where": []}
