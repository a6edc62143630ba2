"""Types of project events, and ids that sort by time."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.ids import UserId
from gateway.domain.project_event import (
    BY_CODE,
    BY_LABEL,
    MAX_NUMBER,
    EventLevel,
    EventPlace,
    ProjectEvent,
    ProjectEventType,
    event_id,
    place_of,
)

PLACES = st.builds(EventPlace, st.integers(0, 2**48 - 1), st.integers(0, MAX_NUMBER))
CODES = st.sampled_from(sorted(BY_CODE))


@pytest.mark.parametrize("each", ProjectEventType)
def test_a_type_has_a_number_and_a_name_of_its_own_and_explains_itself(each: ProjectEventType) -> None:
    assert (BY_CODE[each.code], BY_LABEL[each.label]) == (each, each)
    assert 0 < each.code <= 0xFFFF, "a number has two bytes in the index and in ids"
    assert isinstance(each.level, EventLevel)
    assert all(text.endswith(".") for text in (each.log, *each.context.values()))


def test_a_context_has_only_documented_fields() -> None:
    event = ProjectEvent(ProjectEventType.JWT_ISSUED, UserId("u"), {"token_id": "t", "scope": "user"})
    assert event.context == {"token_id": "t", "scope": "user"}
    with pytest.raises(ValueError, match="secret"):
        ProjectEvent(ProjectEventType.JWT_ISSUED, None, {"secret": "x"})


@given(PLACES, CODES)
def test_an_id_is_a_uuid_of_version_7_that_names_place_and_type(place: EventPlace, code: int) -> None:
    text = event_id(place, code)
    assert (UUID(text).version, UUID(text).variant) == (7, "specified in RFC 4122")
    assert place_of(text) == (place, code)


@given(PLACES, PLACES, CODES)
def test_ids_sort_as_their_places_do(one: EventPlace, other: EventPlace, code: int) -> None:
    assert (event_id(one, code) < event_id(other, code)) == (one < other)


def test_a_place_is_written_as_redis_writes_it() -> None:
    assert str(EventPlace(1_700_000_000_000, 3)) == "1700000000000-3"


def test_what_is_no_uuid_is_no_id() -> None:
    with pytest.raises(ValueError, match="UUID"):
        place_of("1")
