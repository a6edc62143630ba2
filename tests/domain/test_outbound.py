"""Which addresses of tenants are allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.address import read_network
from gateway.domain.outbound import MAX_URL_LENGTH, OPERATOR, PUBLIC_ONLY, OutboundRules
from tests.outbound import LOOPBACK

INTRANET = OutboundRules(allowed_networks=(read_network("10.1.0.0/16"), read_network("fd00::/8")))

NO_NAME = "must have a host name"
NOT_PUBLIC = "must have a public address, or one in INBOX_OUTBOUND_ALLOWED_NETWORKS"
NOT_USUAL = "must have a host name, or an IP address in its usual form"
INTERNAL = "must have a public host name"
NO_URL = "must be an https address, without a user name and in ASCII"


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T0/B0/x",
        "https://EXAMPLE.com",
        "HTTPS://example.com:443/",
        "https://example.com:8443?a=b",
        "https://xn--bcher-kva.example/%20",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://[64:ff9b::808:808]/",
        "https://[::ffff:808:808]/",
        "https://1.example.com/",
    ],
)
def test_a_public_https_address_is_allowed(url: str) -> None:
    assert PUBLIC_ONLY.url_fault(url) == ""


@pytest.mark.parametrize(
    ("host", "fault"),
    [
        *((host, INTERNAL) for host in ("localhost", "LOCALHOST", "redis", "a.localhost", "metadata.google.internal")),
        *((host, INTERNAL) for host in ("printer.local", "x.home.arpa", "x.lan", "localhost.localdomain")),
        *((f"{host}.1.2.3", NOT_PUBLIC) for host in ("0", "10", "127", "224", "239", "240", "255")),
        *((host, NOT_PUBLIC) for host in ("100.64.0.1", "100.100.100.200", "169.254.169.254", "172.16.0.1")),
        *((host, NOT_PUBLIC) for host in ("192.168.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "168.63.129.16")),
        *((host, NOT_PUBLIC) for host in ("[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]")),
        # IPv4 in IPv6: mapped, compatible, NAT64, 6to4, Teredo
        *((host, NOT_PUBLIC) for host in ("[::ffff:7f00:1]", "[::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]")),
        *((host, NOT_PUBLIC) for host in ("[2002:7f00:1::]", "[2001:0:4136:e378::]", "[2001:db8::1]", "[3fff::1]")),
        # decimal, octal, hexadecimal and shortened spellings of 127.0.0.1
        *((host, NOT_USUAL) for host in ("2130706433", "0x7f000001", "0X7F.1", "017700000001", "0177.0.0.1", "127.1")),
        *((host, NOT_USUAL) for host in ("127.0.0.01", "0x7f.0.0.0x1", "1.2.3", "256.1.1.1", "example.0x")),
    ],
)
def test_a_host_that_is_not_public_is_refused(host: str, fault: str) -> None:
    assert PUBLIC_ONLY.url_fault(f"https://{host}/") == fault
    assert PUBLIC_ONLY.host_fault(host) == fault


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://example.com/", "must be an https address"),
        ("https://example.com:80/", "must have port 443, or a port from 1024"),
        ("https://example.com:22/", "must have port 443, or a port from 1024"),
        *((url, NO_URL) for url in ("", "example.com", "ftp://example.com/", "file:///etc/passwd", "//example.com")),
        *((url, NO_URL) for url in ("https://a@example.com/", "https://a:b@example.com/", "https://example.com\\@x/")),
        *(
            (url, NO_URL)
            for url in ("https://example.com:0/", "https://example.com:0443/", "https://example.com:65536")
        ),
        *(
            (url, NO_URL)
            for url in ("https://example.com:/", "https://[fe80::1%25eth0]/", "https://[::ffff:127.0.0.1]/")
        ),
        *((url, NO_URL) for url in ("https://example.com/\n", " https://example.com/", "https://exa mple.com/")),
        *((url, NO_URL) for url in ("https://\u24d4xample.com/", "https://127\u30020\u30020\u30021/", "https:/x.y")),
        *((url, NO_URL) for url in ("https://example.com./", "https://.example.com", "https://example.com#x")),
        ("https://example.com/" + "x" * MAX_URL_LENGTH, NO_URL),
    ],
)
def test_an_address_of_another_form_is_refused(url: str, fault: str) -> None:
    assert PUBLIC_ONLY.url_fault(url) == fault


def test_a_text_that_is_not_a_host_is_refused() -> None:
    for host in ("", "a b", "x" * 64 + ".com", "a." * 200 + "com", "https://example.com"):
        assert PUBLIC_ONLY.host_fault(host) == NO_NAME


def test_addresses_after_a_lookup_are_checked_by_themselves() -> None:
    assert PUBLIC_ONLY.allows("8.8.8.8")
    assert PUBLIC_ONLY.allows("2606:4700::1111")
    for text in ("127.0.0.1", "::1", "::ffff:10.0.0.1", "fe80::1%eth0", "2606:4700::1%eth0", "", "example.com"):
        assert not PUBLIC_ONLY.allows(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost"])
def test_an_allowed_loopback_is_allowed_on_any_port_and_without_tls(host: str) -> None:
    for url in (f"http://{host}:80/", f"https://{host}:1/"):
        assert LOOPBACK.url_fault(url) == ""
        assert PUBLIC_ONLY.url_fault(url) != ""


def test_an_allowed_loopback_allows_nothing_else() -> None:
    for url in ("http://10.0.0.1/", "http://example.com/", "https://169.254.169.254/"):
        assert LOOPBACK.url_fault(url) != ""
    assert LOOPBACK.allows("::ffff:127.0.0.1")
    assert not LOOPBACK.allows("169.254.169.254")


@given(st.ip_addresses())
def test_no_address_that_python_calls_private_is_allowed(address: object) -> None:
    if getattr(address, "is_private", False) or getattr(address, "is_multicast", False):
        assert not PUBLIC_ONLY.allows(str(address))


@pytest.mark.parametrize("host", ["10.1.2.3", "[fd00::1]", "[::ffff:a01:203]", "redis", "hooks.internal", "localhost"])
def test_a_host_of_an_allowed_network_is_allowed_on_any_port_and_without_tls(host: str) -> None:
    for url in (f"http://{host}:80/", f"https://{host}:1/"):
        assert INTRANET.url_fault(url) == ""
        assert PUBLIC_ONLY.url_fault(url) != ""


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        *((f"https://{host}/", NOT_PUBLIC) for host in ("10.2.0.1", "127.0.0.1", "[::1]", "169.254.169.254")),
        ("http://example.com/", "must be an https address"),
        ("http://8.8.8.8/", "must be an https address"),
        ("https://10.1.513/", NOT_USUAL),
    ],
)
def test_an_allowed_network_allows_nothing_else(url: str, fault: str) -> None:
    assert INTRANET.url_fault(url) == fault


def test_a_name_must_have_addresses_of_the_allowed_network() -> None:
    assert INTRANET.allows("10.1.0.1")
    assert INTRANET.allows("8.8.8.8")
    assert not INTRANET.allows("10.2.0.1")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9001", "http://169.254.169.254/x", "http://stub/", "https://a.b:1/"])
def test_an_address_that_the_operator_has_set_is_allowed(url: str) -> None:
    assert OPERATOR.url_fault(url) == ""
    assert OPERATOR.allows("127.0.0.1")
