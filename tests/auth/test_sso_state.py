"""The cookie of a sign-in at the provider."""

import time

import jwt

from gateway.auth.sso_state import STATE_SECONDS, SsoStates, begun

STATES = SsoStates("a key")


def test_the_sign_in_of_a_cookie_is_read_with_its_state_alone() -> None:
    now = int(time.time())
    pending = begun(now, "projects/5", is_fresh=True, admin_id="a1")
    cookie = STATES.sign(pending)
    assert STATES.read(cookie, pending.state) == pending
    assert STATES.read(cookie, "another") is None
    assert STATES.read(cookie, "ä") is None
    assert STATES.read("", pending.state) is None
    assert SsoStates("another key").read(cookie, pending.state) is None
    expired = STATES.sign(begun(now - STATE_SECONDS - 1, "", is_fresh=False, admin_id=""))
    assert STATES.read(expired, "") is None


def test_a_token_of_another_use_is_no_cookie() -> None:
    of_another_form = jwt.encode({"sub": "ada"}, STATES._key, algorithm="HS256")
    assert STATES.read(of_another_form, "") is None
