"""Which pages may call."""

import pytest

from gateway.domain.origin import origin_allowed, read_origin


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
        ("https://*.example.com", "https://*.example.com"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_an_origin_is_kept_as_browsers_write_it(text: str, origin: str) -> None:
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
        *("https://*", "https://a.*.b", "https://*a.b", "null", "**", "https://a,https://b", "https://a\nb"),
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
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
    ],
)
def test_an_origin_is_allowed_or_not(origin: str | None, allowed: tuple[str, ...], verdict: bool) -> None:
    assert origin_allowed(origin, allowed) is verdict
