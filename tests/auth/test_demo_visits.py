"""A cookie proves a visit for an hour, and only one that this gateway signed."""

import time

from gateway.auth.demo_visits import COOKIE, VISIT_SECONDS, DemoVisits, new_visitor

VISITS = DemoVisits("key")


def test_a_cookie_names_its_visitor_until_it_expires() -> None:
    now, visitor = int(time.time()), new_visitor()
    cookie = f"{COOKIE}={VISITS.sign(visitor, now)}"
    assert VISITS.visitor(cookie) == VISITS.visitor(f"other=1; {cookie}; last=2") == visitor
    assert DemoVisits("other").visitor(cookie) is None
    assert VISITS.visitor(f"{COOKIE}={VISITS.sign(visitor, now - VISIT_SECONDS - 1)}") is None
    for text in ("", COOKIE, f"{COOKIE}=", f"{COOKIE}=a.b.c", f"{COOKIE}=\u00e4", f"x{cookie}"):
        assert VISITS.visitor(text) is None


def test_no_two_visitors_have_the_same_id() -> None:
    assert len({new_visitor() for _ in range(100)}) == 100
