"""The catalogue is whole and consistent."""

import re

from gateway.domain.errors import CLOSE_CODE_MEANINGS, CloseCode, ErrorCode, api_error, invalid


def test_codes_are_unique_and_are_named_like_their_row() -> None:
    for code in ErrorCode:
        assert code.kind.code == code.name.lower()


def test_every_close_code_has_a_meaning_and_a_place_in_the_ranges() -> None:
    assert set(CLOSE_CODE_MEANINGS) == set(CloseCode)
    for code in CloseCode:
        assert 4000 <= code.value <= 4999
        assert re.fullmatch(r"[a-z_]+", code.reason)
        assert code.may_resume is (code.value < 4500)


def test_an_error_takes_its_row_and_a_more_precise_message() -> None:
    error = api_error(ErrorCode.NOT_FOUND, "No such thing", retry_after_seconds=3)
    assert (error.status, error.code, error.retry_after_seconds) == (404, "not_found", 3)
    assert error.problems[0].message == "No such thing"
    assert str(error) == "No such thing"


def test_an_error_without_a_message_has_its_rows() -> None:
    assert api_error(ErrorCode.NOT_FOUND).problems[0].message == "Not found"


def test_an_invalid_body_names_every_field_and_has_no_code() -> None:
    error = invalid("Param 'a' is missing", "Param 'b' is missing")
    assert error.status == 422
    assert [problem.code for problem in error.problems] == ["", ""]
