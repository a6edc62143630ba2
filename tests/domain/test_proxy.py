"""Headers of reverse proxies, which are used only from trusted ones."""

import pytest

from gateway.domain.address import Networks
from gateway.domain.proxy import Forwarded, Proxies, read_forwarded, read_prefix, read_public_url

LOOPBACK = Networks(["127.0.0.0/8", "::1/128"])
PROXIES = Networks(["10.0.0.0/8", "127.0.0.1", "2001:db8::/32"])

Headers = list[tuple[str, str]]


def forwarded(peer: str, headers: Headers, trusted: Networks = PROXIES) -> Forwarded:
    return read_forwarded(peer, [("accept", "*/*"), ("host", "gateway:8000"), *headers], trusted)


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["203.0.113.7, 10.1.2.3"], "203.0.113.7"),
        ("127.0.0.1", ["198.51.100.1, 203.0.113.7, 10.1.2.3"], "203.0.113.7"),
        ("127.0.0.1", ["198.51.100.1", "203.0.113.7", "10.1.2.3"], "203.0.113.7"),
        ("127.0.0.1", ["198.51.100.1,203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("127.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
        ("127.0.0.1", ['"[2001:4860::1]:4711"'], "2001:4860::1"),
        ("127.0.0.1", ["2001:4860:0:0::0001"], "2001:4860::1"),
        ("127.0.0.1", ["[2001:4860::1]"], "2001:4860::1"),
        ("127.0.0.1", ["198.51.100.1, unknown"], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1, , 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["198.51.100.1, evil\u00e9, 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["203.0.113.7, ::ffff:10.1.2.3"], "203.0.113.7"),
        ("::ffff:127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("::ffff:203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("fe80::1%eth0", ["198.51.100.1"], "fe80::1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.7" + ", 10.1.2.3" * 1000], "10.1.2.3"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_client_is_the_first_address_from_the_right_that_is_not_a_trusted_proxy(
    peer: str, forwarded_for: list[str], client: str
) -> None:
    assert forwarded(peer, [("x-forwarded-for", value) for value in forwarded_for]).client == client


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ([], "http://gateway:8000"),
        ([("x-forwarded-proto", "https")], "https://gateway:8000"),
        ([("x-forwarded-proto", "HTTPS")], "https://gateway:8000"),
        ([("x-forwarded-proto", "https, http")], "https://gateway:8000"),
        ([("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")], "https://gateway:8000"),
        ([("x-forwarded-proto", "http,https")], "http://gateway:8000"),
        ([("x-forwarded-proto", "wss")], "https://gateway:8000"),
        ([("x-forwarded-proto", "javascript")], "http://gateway:8000"),
        ([("x-forwarded-host", "App.example.com, inner")], "http://app.example.com"),
        ([("x-forwarded-host", "app.example.com:443"), ("x-forwarded-proto", "https")], "https://app.example.com"),
        ([("x-forwarded-host", "app.example.com:80"), ("x-forwarded-proto", "https")], "https://app.example.com:80"),
        ([("x-forwarded-host", "a.example/evil")], "http://gateway:8000"),
        ([("x-forwarded-host", "user@a.example")], "http://gateway:8000"),
        ([("x-forwarded-host", 'a"onload=')], "http://gateway:8000"),
        ([("x-forwarded-host", "[::1]:3000")], "http://[::1]:3000"),
        ([("x-forwarded-host", "a.example:99999")], "http://gateway:8000"),
        ([("x-forwarded-host", "a." * 200 + "example")], "http://gateway:8000"),
        ([("x-forwarded-prefix", "/inbox")], "http://gateway:8000/inbox"),
        ([("x-forwarded-prefix", "/inbox/")], "http://gateway:8000/inbox"),
        ([("x-forwarded-prefix", "/a/b, /c")], "http://gateway:8000/a/b"),
        ([("x-forwarded-prefix", "/")], "http://gateway:8000"),
        ([("x-forwarded-prefix", "//evil.example")], "http://gateway:8000"),
        ([("x-forwarded-prefix", "/a/../b")], "http://gateway:8000"),
        ([("x-forwarded-prefix", "inbox")], "http://gateway:8000"),
        ([("x-forwarded-prefix", '/a"><script>')], "http://gateway:8000"),
        ([("x-forwarded-prefix", "/" + "a" * 300)], "http://gateway:8000"),
    ],
)
def test_the_url_is_the_one_requested_from_the_outermost_proxy(headers: Headers, base: str) -> None:
    assert forwarded("127.0.0.1", headers).base == base
    assert forwarded("203.0.113.9", headers).base == "http://gateway:8000"


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("gateway", "http://gateway"),
        ("Gateway:80", "http://gateway"),
        ("gateway/x", ""),
        ("a@b", ""),
        ("", ""),
        ("a b", ""),
        ("a,b", ""),
        ("evil.example\\@app.example", ""),
    ],
)
def test_an_invalid_host_is_ignored(host: str, base: str) -> None:
    assert read_forwarded("203.0.113.9", [("host", host)], LOOPBACK).base == base
    assert read_forwarded("127.0.0.1", [("host", host)], LOOPBACK).base == base


def test_no_proxy_is_trusted_by_default() -> None:
    headers = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "https")]
    assert forwarded("127.0.0.1", headers, Networks([])) == Forwarded("127.0.0.1", "http", "gateway:8000", "")


@pytest.mark.parametrize("text", ["/a", "/a/b-c_d.e~f", "/inbox/v1/"])
def test_a_plain_path_is_a_prefix(text: str) -> None:
    assert read_prefix(text) == text.rstrip("/")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.com/inbox", "https://example.com/inbox"),
        ("HTTPS://Example.com:443/inbox/", "https://example.com/inbox"),
        ("http://10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_a_public_url_has_one_spelling(text: str, url: str) -> None:
    assert read_public_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        *(
            "example.com",
            "ftp://example.com",
            "https://",
            "https:/example.com",
            "https://a b",
            "https://a/?q",
            "/inbox",
        ),
        *("https://a/#f", "https://u@a", "https://a//b", "https://a/../b", "https://a:0", "https://*.a"),
    ],
)
def test_an_invalid_public_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an address"):
        read_public_url(text)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "proxy", "10.0.0", "::1/129", "*"])
def test_an_invalid_network_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("*", r"\*")):
        Networks([text])


# ---- with the settings


def test_a_public_url_overrides_the_headers_of_a_request() -> None:
    proxies = Proxies(["10.0.0.0/8"], "https://app.example.com/inbox")
    headers = [("host", "gateway:8000"), ("x-forwarded-for", "203.0.113.7"), ("x-forwarded-host", "evil.example")]
    found = proxies.forwarded("10.1.2.3", headers)
    assert (found.base, found.client) == ("https://app.example.com/inbox", "203.0.113.7")
    assert proxies.public_prefix == "/inbox"


def test_without_a_public_url_the_headers_of_the_request_are_used() -> None:
    proxies = Proxies(["10.0.0.0/8"])
    headers = [("host", "gateway:8000"), ("x-forwarded-prefix", "/inbox"), ("x-forwarded-for", "203.0.113.7")]
    assert proxies.forwarded("10.1.2.3", headers).base == "http://gateway:8000/inbox"
    assert proxies.forwarded("203.0.113.9", headers).base == "http://gateway:8000"
    assert proxies.public_prefix == ""


def test_a_base_without_a_host_is_the_prefix() -> None:
    assert Forwarded("", "http", "", "/inbox").base == "/inbox"


@pytest.mark.parametrize(
    ("peer", "client"),
    [("10.1.2.3", "203.0.113.7"), ("203.0.113.9", "203.0.113.9"), ("", ""), ("no address", "no address")],
)
def test_the_client_address_alone_is_the_same_as_in_the_whole_result(peer: str, client: str) -> None:
    headers = [("host", "x"), ("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.7")]
    assert Proxies(["10.0.0.0/8"]).client(peer, headers) == client


def test_a_proxy_that_names_no_client_is_the_client() -> None:
    assert Proxies(["10.0.0.0/8"]).client("10.1.2.3", [("host", "x")]) == "10.1.2.3"


def test_an_address_whose_headers_are_ignored_is_noted() -> None:
    proxies = Proxies(["10.0.0.0/8"])
    proxies.forwarded("10.1.2.3", [("x-forwarded-for", "203.0.113.7")])
    proxies.forwarded("203.0.113.9", [("host", "x")])
    assert proxies.ignored_peer == ""
    proxies.forwarded("203.0.113.9", [("x-forwarded-for", "203.0.113.7")])
    assert proxies.ignored_peer == "203.0.113.9"
