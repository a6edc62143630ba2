"""The guard of a call."""

from gateway.domain.guard import UNGUARDED, Allowance, Guard, RateKind, RateLimitedError, UserDeletedError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User


def test_the_rest_of_an_allowance_is_never_negative() -> None:
    assert Allowance(RateKind.READS, 5, used=2).remaining == 3
    assert Allowance(RateKind.READS, 5, used=9).remaining == 0


def test_a_refusal_has_a_time_to_retry_which_is_at_least_a_second() -> None:
    assert RateLimitedError(Allowance(RateKind.WRITES, 5, 6, reset_seconds=30)).retry_after_seconds == 30
    assert RateLimitedError(Allowance(RateKind.WRITES, 5, 6, reset_seconds=0)).retry_after_seconds == 1
    assert str(RateLimitedError(Allowance(RateKind.WRITES, 5))) == "5 writes a minute"


def test_a_deletion_names_the_user_whose_id_is_outdated() -> None:
    user = User(ProjectId("p"), UserId("u"), "joe", None)
    assert UserDeletedError(user).user is user


def test_a_call_in_nobodys_name_is_neither_counted_nor_revoked() -> None:
    assert UNGUARDED.allowance is None
    assert (UNGUARDED.token_id, UNGUARDED.issued_at) == ("", None)


def test_a_further_call_for_a_request_is_not_counted_and_still_checks_the_token() -> None:
    guard = Guard(Allowance(RateKind.READS, 5), "token", 7)
    assert guard.uncounted == Guard(None, "token", 7)
