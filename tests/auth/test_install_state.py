"""The state of an installation is accepted from the user who began it, for the app, for ten minutes."""

import time

from gateway.auth.install_state import STATE_SECONDS, InstallStates
from gateway.domain.ids import ProjectId, UserId

SHOP, ADA, APP = ProjectId("1"), UserId("ada"), "A1"
STATES = InstallStates("key")


def test_a_state_is_valid_for_its_user_and_app_until_it_expires() -> None:
    now = int(time.time())
    state = STATES.sign(SHOP, ADA, APP, now)
    assert STATES.is_valid(state, SHOP, ADA, APP)
    assert not STATES.is_valid(state, ProjectId("2"), ADA, APP)
    assert not STATES.is_valid(state, SHOP, UserId("eve"), APP)
    assert not STATES.is_valid(state, SHOP, ADA, "A2")
    assert not InstallStates("other").is_valid(state, SHOP, ADA, APP)
    assert not STATES.is_valid(STATES.sign(SHOP, ADA, APP, now - STATE_SECONDS - 1), SHOP, ADA, APP)
    for text in ("", "x", "a.b.c", "\u00e4"):
        assert not STATES.is_valid(text, SHOP, ADA, APP)
