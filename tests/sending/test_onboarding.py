"""Likely reasons why a project has not got further, from what was counted."""

import time
from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId
from gateway.sending.onboarding import Onboarding
from gateway.store.directory import Directory
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.usage import UsageReader, UsageWriter
from gateway.store.usage_counts import Milestone, UsageCounts
from tests.store.conftest import InspectedClient


@pytest.fixture
def project() -> ProjectId:
    return ProjectId(f"p{uuid4().hex[:8]}")


async def hints(
    client: InspectedClient, project: ProjectId, counts: UsageCounts, kept: int = 0
) -> dict[str, list[str]]:
    """Write what was counted, and return the codes of the hints by milestone."""
    await UsageWriter(client, counts).write()
    log = ProjectEventLog(client, EventRetention(kept, 0))
    reader = Onboarding(client, UsageReader(client), log, Directory(client, time.monotonic))
    return {each.milestone.value: [hint.code for hint in each.hints] for each in await reader.read(project)}


async def test_what_was_sent_but_is_in_no_inbox_is_explained(client: InspectedClient, project: ProjectId) -> None:
    counts = UsageCounts()
    assert (await hints(client, project, counts))["notification"] == []
    counts.accepted(project)
    assert (await hints(client, project, counts))["notification"] == ["not_stored"]
    counts.suppressed(project, 3)
    assert (await hints(client, project, counts))["notification"] == ["suppressed"]


async def test_refusals_are_reasons_of_the_milestone_that_they_prevent(
    client: InspectedClient, project: ProjectId
) -> None:
    counts = UsageCounts()
    for code in ("api_secret_is_incorrect", "too_many_connections", "of_a_newer_version"):
        counts.refused(project, code, "")
    found = await hints(client, project, counts)
    assert found["request"] == ["api_secret_is_incorrect"]
    assert found["connection"] == ["of_a_newer_version", "too_many_connections"]


async def test_nothing_is_looked_for_once_all_is_reached_or_without_a_log(
    client: InspectedClient, project: ProjectId
) -> None:
    counts = UsageCounts()
    counts.stored(project)
    assert (await hints(client, project, counts))["connection"] == []
    for milestone in Milestone:
        counts.reached(project, milestone)
    counts.refused(project, "forbidden", "")
    assert set(map(tuple, (await hints(client, project, counts, kept=10)).values())) == {()}
