"""The canonical form of addresses."""

import pytest

from gateway.domain.address import Networks, canonical_host, client_network, read_address, read_network


@pytest.mark.parametrize(
    ("address", "network"),
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
def test_a_client_is_counted_by_its_ipv4_address_or_its_ipv6_network(address: str, network: str) -> None:
    assert client_network(address) == network


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM:443", "example.com"),
        ("example.com:8443", "example.com:8443"),
        ("[2001:DB8:0::1]:443", "[2001:db8::1]"),
        ("exa mple.com", None),
        ("example.com:99999", None),
        ("a." * 200, None),
    ],
)
def test_a_host_is_in_lower_case_and_without_the_default_port(text: str, host: str | None) -> None:
    assert canonical_host(text, 443) == host


def test_an_address_is_read_without_its_zone_and_ipv4_in_its_own_form() -> None:
    assert str(read_address("fe80::1%eth0")) == "fe80::1"
    assert str(read_address("::ffff:203.0.113.7")) == "203.0.113.7"
    assert read_address("localhost") is None


@pytest.mark.parametrize(
    ("text", "message"), [("10.0.0.0/33", "is not an address or a network"), ("10.1.0.0/8", "write 10.0.0.0/8")]
)
def test_a_network_that_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_network(text)


def test_an_address_lies_in_the_networks_that_contain_it() -> None:
    networks = Networks(["10.0.0.0/8", "2001:db8::1"])
    assert networks.contain("10.1.2.3")
    assert networks.contain("2001:db8::1")
    assert not networks.contain("2001:db8::2")
    assert not networks.contain("")
