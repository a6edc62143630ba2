"""The name by which a trace calls a user is no address."""

import pytest

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.sending.trace_reader import _who
from gateway.store.user_pages import UserSummary


@pytest.mark.parametrize(
    ("first_name", "external_id", "who"),
    [
        ("Ada", "7", "Ada"),
        (" ", "ada-7", "ada-7"),
        (None, "ada@example.com", "the user"),
        ("ada@example.com", None, "the user"),
        ("+1 500 555 0006", "15005550006", "the user"),
        (7, "", "the user"),
    ],
)
def test_a_user_is_named_without_an_address_or_a_number(first_name: object, external_id: str | None, who: str) -> None:
    summary = UserSummary({"first_name": first_name}, None, None, None)
    assert _who(User(ProjectId("1"), UserId("u"), external_id, "ada@example.com"), summary) == who
