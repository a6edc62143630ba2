"""Random ids."""

from uuid import UUID

from gateway.runtime.random_ids import new_uuid


def test_a_new_uuid_is_random_and_in_its_usual_form() -> None:
    made = [new_uuid() for _ in range(1000)]
    assert len(set(made)) == len(made)
    assert {(str(UUID(text)) == text, UUID(text).version, UUID(text).variant) for text in made} == {
        (True, 4, "specified in RFC 4122")
    }
