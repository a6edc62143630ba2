"""Each reason for which the store rejects a request has an exception: a RejectedError, or a BackupError."""

import inspect

import pytest

from gateway.store import errors
from gateway.store.errors import (
    BackupError,
    ForeignSecretKeyError,
    LimitError,
    RejectedError,
    TooManyError,
    TooManyProjectsError,
)

EXCEPTIONS = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Exception)]


@pytest.mark.parametrize("error", EXCEPTIONS, ids=lambda each: each.__name__)
def test_every_exception_of_the_module_is_in_the_tree_and_in_its_docstring(error: type[Exception]) -> None:
    assert issubclass(error, RejectedError | BackupError)
    assert error.__name__ in (errors.__doc__ or "")


def test_a_bound_that_would_be_exceeded_is_named_with_its_size() -> None:
    problem = TooManyError("topics", 5)
    assert (problem.what, problem.most, str(problem)) == ("topics", 5, "more than 5 topics")
    assert str(TooManyProjectsError(7)) == "more than 7 projects"
    assert isinstance(problem, LimitError)


def test_the_error_for_another_secret_key_names_the_one_that_is_needed() -> None:
    assert "INBOX_SECRET_KEY" in str(ForeignSecretKeyError())
