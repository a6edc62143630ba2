"""What `doctor` says of the projects of a store."""

from gateway.cli.store_findings import _judge_projects, named
from gateway.domain.finding import Severity
from gateway.settings import Settings
from gateway.store.project_audit import ProjectAudit


def judged(audit: ProjectAudit, *, belongs: bool = True) -> list[tuple[str, Severity, str]]:
    return [(found.topic, found.severity, found.text) for found in _judge_projects(Settings(), audit, belongs=belongs)]


def test_another_secret_key_is_a_problem_even_without_a_project_that_shows_it() -> None:
    assert ("secret key", Severity.PROBLEM, "differs from that of the nodes that use this store") in judged(
        ProjectAudit(projects=0), belongs=False
    )


def test_a_damaged_record_is_a_problem_and_named() -> None:
    (found,) = [
        text for topic, severity, text in judged(ProjectAudit(projects=1, broken=["a-key"])) if "stored" in text
    ]
    assert found == "a-key: the stored record is not a project"


def test_many_projects_are_named_in_part() -> None:
    keys = [f"key-{number}" for number in range(50)]
    assert named(keys).startswith("key-0, key-1")
    assert named(keys).endswith("more")
