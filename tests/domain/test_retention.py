"""Retention: a project's own bounds take precedence over the gateway's."""

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.principal import Project
from gateway.domain.retention import KEEP_ALL, ItemRetention


@pytest.mark.parametrize(
    ("retention", "bounded"),
    [(KEEP_ALL, False), (ItemRetention(5, 0), True), (ItemRetention(0, 60), True), (ItemRetention(5, 60), True)],
)
def test_a_bound_is_a_number_above_zero(retention: ItemRetention, bounded: bool) -> None:
    assert retention.bounded is bounded


@pytest.mark.parametrize(
    ("count", "seconds", "expected"),
    [
        (None, None, ItemRetention(100, 3600)),
        (5, None, ItemRetention(5, 3600)),
        (None, 60, ItemRetention(100, 60)),
        (0, 0, KEEP_ALL),
    ],
)
def test_unset_bounds_of_a_project_are_those_of_the_settings(
    count: int | None, seconds: int | None, expected: ItemRetention
) -> None:
    project = Project(
        *(ProjectId("1"), "Shop", "key", True, ()), item_retention_count=count, item_retention_seconds=seconds
    )
    assert project.item_retention(ItemRetention(100, 3600)) == expected


def test_bounds_are_replaced_by_those_that_are_given() -> None:
    bounds = ItemRetention(100, 3600)
    assert bounds.overridden(None, None) is bounds
    assert bounds.overridden(5, None) == ItemRetention(5, 3600)
