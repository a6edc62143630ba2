"""The parts of a trace: the name of the user, which is no address, and what became of notifications without an item."""

from uuid import UUID

import pytest

from gateway.domain.delivery import NotificationDeliveries
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.sending.command import Recipient
from gateway.sending.trace_reader import _audience, _Item, _sent_ms, _unlisted, _who
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


def test_a_condition_that_this_version_cannot_read_tells_nothing_about_the_audience() -> None:
    assert _audience([Recipient(matches="neither this nor that")]) is None


def test_a_notification_that_is_in_no_inbox_is_known_by_the_content_of_its_deliveries() -> None:
    unlisted = NotificationDeliveries((), (), False, b'{"category": "orders", "title": "Sent"}')
    assert _unlisted(unlisted) == _Item(category="orders")
    assert _unlisted(unlisted._replace(content=b"")) is None


def test_only_an_id_that_begins_with_a_time_tells_when_a_notification_was_sent() -> None:
    assert _sent_ms(_Item(), UUID("01a229dc-8b06-78db-89e8-e87168edd1af")) == 0x01A229DC8B06
    assert _sent_ms(_Item(), UUID(int=0)) is None
