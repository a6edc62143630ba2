"""The catalogues are complete and consistent, and errors carry their entry."""

import re

from gateway.domain.errors import (
    CLOSE_CODE_MEANINGS,
    HASH_IS,
    CloseCode,
    ErrorCode,
    Problem,
    api_error,
    invalid,
    malformed_body,
    unknown_parameter,
)


def test_codes_are_unique_and_are_named_like_their_row() -> None:
    for code in ErrorCode:
        assert code.kind.code == code.name.lower()


def test_every_close_code_has_a_meaning_and_a_place_in_the_ranges() -> None:
    assert set(CLOSE_CODE_MEANINGS) == set(CloseCode)
    for code in CloseCode:
        assert 4000 <= code.value <= 4999
        assert re.fullmatch(r"[a-z_]+", code.reason)
        assert code.may_resume is (code.value < 4500)


def test_an_error_carries_its_code_and_a_more_precise_message() -> None:
    error = api_error(ErrorCode.NOT_FOUND, "No such thing", retry_after_seconds=3)
    assert (error.status, error.code, error.retry_after_seconds) == (404, ErrorCode.NOT_FOUND, 3)
    assert error.problems == (Problem("No such thing", "not_found"),)
    assert str(error) == "No such thing"


def test_an_error_without_a_message_has_that_of_its_code() -> None:
    assert api_error(ErrorCode.NOT_FOUND).problems[0].message == "Not found"


def test_an_invalid_body_names_every_field_and_has_no_code() -> None:
    error = invalid("Param 'a' is missing", "Param 'b' is missing")
    assert (error.code, error.status) == (None, 422)
    assert [problem.code for problem in error.problems] == ["", ""]


def test_a_message_that_speaks_of_a_hash_explains_what_a_hash_is() -> None:
    assert invalid("Param 'a' must be a hash").problems == (Problem("Param 'a' must be a hash", suggestion=HASH_IS),)


def test_a_malformed_body_has_no_code() -> None:
    error = malformed_body("The body is not valid JSON")
    assert (error.code, error.status, error.problems) == (None, 400, (Problem("The body is not valid JSON"),))


def test_a_problem_may_have_a_suggestion_of_its_own() -> None:
    assert ErrorCode.TOKEN_EXPIRED.problem(suggestion="Renew it.").suggestion == "Renew it."
    assert ErrorCode.TOKEN_EXPIRED.problem().suggestion == "Sign a new one."


def test_help_links_become_urls_and_other_problems_stay_as_they_are() -> None:
    linked = api_error(ErrorCode.API_SECRET_IS_INCORRECT).problems_with_links("https://example.com/inbox")
    assert [problem.help_link for problem in linked] == ["https://example.com/inbox/docs#credential-ApiSecret"]
    assert [p.help_link for p in api_error(ErrorCode.NOT_FOUND).problems_with_links("https://example.com")] == [""]


def test_a_refused_stream_names_the_reason_of_its_close_code() -> None:
    assert CloseCode.DRAINING.problem == Problem("draining")
    assert unknown_parameter("Param 'sinse' is not known").code == "unknown_parameter"
