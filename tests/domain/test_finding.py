"""Findings of checks."""

from gateway.domain.finding import Finding, Severity, advice, problem, warning


def test_a_finding_says_what_was_found_and_what_to_do() -> None:
    assert advice("demo", "it is on", "turn it off").sentence == "it is on: turn it off"
    assert Finding("demo", "it is off").sentence == "it is off"
    assert [warning("a", "b").severity, problem("a", "b").severity] == [Severity.WARNING, Severity.PROBLEM]
