"""Origins, and which pages may call."""

import pytest

from gateway.domain.origin import allow_origin, origin_allowed, read_origin


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("*", "*"),
        ("https://app.example.com", "https://app.example.com"),
        ("HTTPS://App.Example.com/", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("https://app.example.com:8443", "https://app.example.com:8443"),
        ("http://localhost:80", "http://localhost"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"),
        ("https://*.Example.com:443/", "https://*.example.com"),
        ("http://example.com:443", "http://example.com:443"),
        ("https://*.example.com", "https://*.example.com"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_an_origin_is_normalised_to_the_spelling_of_browsers(text: str, origin: str) -> None:
    assert read_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " https://a",
            "example.com",
            "https://",
            "https://a b",
            "https://a/path",
            "https://a?x",
            "https://u@a",
            "https://a:b",
        ),
        *(
            "https://a:0",
            "https://a:99999",
            "https://[::1",
            "https://[:]",
            "https://*.[::1]",
            "https://a..b",
            "https://-a",
        ),
        *("https://*", "https://a.*.b", "https://*a.b", "null", "**", "https://a,https://b", "https://a\nb"),
    ],
)
def test_text_that_is_not_an_origin_is_refused(text: str) -> None:
    assert read_origin(text) is None


@pytest.mark.parametrize(
    ("origin", "allowed", "verdict"),
    [
        (None, ("https://a.example",), True),
        (None, (), True),
        ("https://b.example", ("*",), True),
        ("https://a.example", ("https://a.example",), True),
        ("https://A.example/", ("https://a.example",), True),
        ("https://a.example.evil", ("https://a.example",), False),
        ("null", ("https://a.example",), False),
        ("https://a.b.example", ("https://*.b.example",), True),
        ("https://x.a.b.example", ("https://*.b.example",), True),
        ("https://b.example", ("https://*.b.example",), False),
        ("https://evilb.example", ("https://*.b.example",), False),
        ("http://a.b.example", ("https://*.b.example",), False),
        ("https://a.b.example:8443", ("https://*.b.example",), False),
        ("https://a.b.example:8443", ("https://*.b.example:8443",), True),
        ("https://a.example", (), False),
        ("https://App.Example.com", ("https://app.example.com",), True),
        ("https://app.example.com:443", ("https://app.example.com",), True),
        ("https://a.b.example:443", ("https://*.b.example",), True),
        ("http://app.example.com:443", ("https://app.example.com",), False),
        ("http://[0::1]:3000", ("http://[::1]:3000",), True),
        ("https://*.b.example", ("https://*.b.example",), False),
        ("https://x.*.b.example", ("https://*.b.example",), False),
        ("https://a.example, https://b.example", ("https://a.example",), False),
        ("https://a.b.example/path", ("https://*.b.example",), False),
        ("https://evil.com#.b.example", ("https://*.b.example",), False),
        ("", ("https://a.example",), False),
        ("null", ("*",), True),
    ],
)
def test_an_origin_is_allowed_by_equality_subdomain_or_wildcard(
    origin: str | None, allowed: tuple[str, ...], verdict: bool
) -> None:
    assert origin_allowed(origin, allowed) is verdict


@pytest.mark.parametrize(
    ("origin", "allowed", "header"),
    [
        ("https://a.example", ("*",), "*"),
        ("null", ("*",), "*"),
        ("https://a.example", ("https://a.example",), "https://a.example"),
        ("https://a.b.example", ("https://*.b.example",), "https://a.b.example"),
        ("https://evil.example", ("https://a.example",), None),
        ("null", ("https://a.example",), None),
    ],
)
def test_only_an_allowed_origin_is_returned_in_the_cors_header(
    origin: str, allowed: tuple[str, ...], header: str | None
) -> None:
    assert allow_origin(origin, allowed) == header
