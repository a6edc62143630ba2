import pytest

from gateway.domain.newcomers import CreationLimits, origin_of


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("/run/gateway.sock", ""),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_network(address: str, origin: str) -> None:
    assert origin_of(address) == origin


@pytest.mark.parametrize(
    ("per_project", "per_address", "limited"), [(0, 0, False), (1, 0, True), (0, 1, True), (1, 1, True)]
)
def test_zero_is_no_limit(per_project: int, per_address: int, limited: bool) -> None:
    assert CreationLimits(per_project, per_address).limited is limited
