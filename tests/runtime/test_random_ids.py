"""Random ids."""

from uuid import UUID

from gateway.runtime.random_ids import new_uuid, uuid_of_time


def test_a_new_uuid_is_random_and_in_its_usual_form() -> None:
    made = [new_uuid() for _ in range(1000)]
    assert len(set(made)) == len(made)
    assert {(str(UUID(text)) == text, UUID(text).version, UUID(text).variant) for text in made} == {
        (True, 4, "specified in RFC 4122")
    }


def test_ids_of_times_are_uuids_of_version_7_that_sort_by_time() -> None:
    ids = [uuid_of_time(now_ms) for now_ms in (1, 2, 1_700_000_000_000)]
    assert ids == sorted(ids)
    assert {UUID(each).version for each in ids} == {7}
    assert len({uuid_of_time(1) for _ in range(100)}) == 100
