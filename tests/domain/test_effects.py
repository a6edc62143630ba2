"""The effects of a session."""

from gateway.domain.effects import Close
from gateway.domain.errors import CloseCode, ErrorCode, Problem
from gateway.domain.messages import Error, Goodbye


def test_a_goodbye_has_the_code_its_reason_and_the_time_to_reconnect() -> None:
    assert Close(CloseCode.DRAINING, 500).goodbye == Goodbye(4001, "draining", 500)


def test_a_goodbye_after_which_clients_do_not_reconnect_has_no_time() -> None:
    assert Close(CloseCode.TOKEN_REVOKED, 500).goodbye == Goodbye(4508, "token_revoked", None)


def test_the_error_of_a_refusal_has_the_remedy_in_its_message() -> None:
    problem = ErrorCode.ORIGIN_NOT_ALLOWED.problem()
    error = Close(CloseCode.FORBIDDEN, problem=problem).error
    assert error == Error("origin_not_allowed", f"{problem.message}. {problem.suggestion}")
    assert Close(CloseCode.FORBIDDEN, problem=Problem("No", "no")).error == Error("no", "No")
    assert Close(CloseCode.DRAINING, 500).error is None
