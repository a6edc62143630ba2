import pytest

from gateway.domain.new_user_limits import NewUserLimits


@pytest.mark.parametrize(
    ("per_project", "per_address", "limited"), [(0, 0, False), (1, 0, True), (0, 1, True), (1, 1, True)]
)
def test_zero_is_no_limit(per_project: int, per_address: int, limited: bool) -> None:
    assert NewUserLimits(per_project, per_address).limited is limited
