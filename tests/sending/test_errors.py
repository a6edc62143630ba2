"""The errors of sending, which are one tree."""

from gateway.sending.errors import InvalidRowError, RecipientConflictError, SendingError


def test_every_error_is_a_sending_error_and_names_its_subject() -> None:
    conflict, row = RecipientConflictError([1, 3]), InvalidRowError(["one fault", "another"])
    assert isinstance(conflict, SendingError)
    assert isinstance(row, SendingError)
    assert conflict.indexes == (1, 3)
    assert "[1, 3]" in str(conflict)
    assert row.messages == ("one fault", "another")
    assert str(row) == "one fault; another"
