"""The recipients of a command: named users and the audience."""

import pytest

from gateway.domain.condition import ConditionError
from gateway.domain.principal import Identity
from gateway.sending.command import Recipient, TopicRecipients
from gateway.sending.errors import RecipientConflictError
from gateway.sending.recipients import Audience, conflict_message, resolve_named
from gateway.store.directory import Directory
from tests.store.conftest import InspectedClient, new_user

TOPIC = Recipient(topic=TopicRecipients(True))
PRO = Recipient(matches='custom_attributes.plan = "pro"')
EVERYONE = Recipient(matches="*")


async def test_named_users_are_created_and_a_user_named_twice_gets_one_delivery(client: InspectedClient) -> None:
    directory, project_id = Directory(client, lambda: 0.0), new_user().project_id
    ada = await directory.resolve(project_id, Identity("ada"))
    recipients = [
        Recipient(external_id="ada", first_name="Ada"),
        Recipient(email="joe@example.com"),
        Recipient(external_id="ada", last_name="Lovelace"),
    ]
    first, second = await resolve_named(directory, project_id, recipients)
    assert first.user == ada
    assert first.profile == {"first_name": "Ada", "last_name": "Lovelace"}
    assert second.user.email == "joe@example.com"


async def test_recipients_that_name_two_users_are_reported_by_their_places(client: InspectedClient) -> None:
    directory, project_id = Directory(client, lambda: 0.0), new_user().project_id
    await directory.resolve_many(project_id, [Identity("ada"), Identity(None, "joe@example.com")])
    recipients = [Recipient(external_id="eve"), Recipient(external_id="ada", email="joe@example.com")]
    with pytest.raises(RecipientConflictError) as conflict:
        await resolve_named(directory, project_id, recipients)
    assert conflict.value.indexes == (1,)


def test_the_message_about_a_conflict_names_the_recipient_as_the_body_does() -> None:
    message = "Param 'broadcast.recipients[3]' has the external_id of one user and the email of another"
    assert conflict_message("broadcast", 3) == message
    assert conflict_message("", 3) == message.replace("broadcast.", "")


def test_an_audience_has_the_users_who_match_any_condition() -> None:
    audience = Audience.of([PRO, Recipient(matches={"first_name": "Ada"}), Recipient(external_id="joe")])
    assert not audience.is_everyone
    assert not audience.subscribers
    assert audience.matches({"first_name": "Ada"})
    assert audience.matches({"custom_attributes": {"plan": "pro"}})
    assert not audience.matches({"first_name": "Joe"})


def test_everyone_makes_conditions_and_subscribers_redundant() -> None:
    audience = Audience.of([PRO, TOPIC, EVERYONE, EVERYONE])
    assert audience.is_everyone
    assert (len(audience.conditions), audience.subscribers) == (1, False)


def test_an_audience_may_be_only_subscribers_or_empty() -> None:
    assert Audience.of([TOPIC, Recipient(external_id="ada")]) == Audience([], True)
    assert Audience.of([Recipient(external_id="ada")]) == Audience([], False)


def test_a_condition_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ConditionError):
        Audience.of([Recipient(matches="plan =")])
