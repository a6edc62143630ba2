"""Times in the form of v2."""

from gateway.domain.times import rfc3339, rfc3339_ms


def test_a_time_has_milliseconds_and_ends_with_z() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339_ms(1_800_000_000_007) == "2027-01-15T08:00:00.007Z"
