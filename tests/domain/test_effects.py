"""The effects of a session."""

from gateway.domain.effects import Close
from gateway.domain.errors import CloseCode
from gateway.domain.messages import Goodbye


def test_a_goodbye_has_the_code_its_reason_and_the_time_to_reconnect() -> None:
    assert Close(CloseCode.DRAINING, 500).goodbye == Goodbye(4001, "draining", 500)


def test_a_goodbye_after_which_clients_do_not_reconnect_has_no_time() -> None:
    assert Close(CloseCode.TOKEN_REVOKED, 500).goodbye == Goodbye(4508, "token_revoked", None)
