"""The command to send: its named users, the fields that inboxes show, and stored recipients."""

import msgspec
import pytest

from gateway.domain.principal import Identity
from gateway.sending.command import (
    ChannelOverride,
    ChannelOverrides,
    Overrides,
    Recipient,
    SendCommand,
    TopicRecipients,
    UserFields,
)
from gateway.store.contents import NotificationFields

ADA = Recipient(external_id="ada")


def test_a_user_is_named_by_an_external_id_or_a_normalized_email() -> None:
    assert UserFields(external_id="ada", email=" Ada@Example.com ").identity == Identity("ada", "ada@example.com")
    assert UserFields(external_id="", email="b@c").identity == Identity(None, "b@c")


@pytest.mark.parametrize(("external_id", "email"), [("ada", None), ("ada", " A@b"), (None, "b@c")])
def test_the_names_of_a_user_are_those_of_its_identity(external_id: str | None, email: str | None) -> None:
    user = UserFields(external_id=external_id, email=email)
    assert (user.named.external_id, user.named.email) == (user.identity.external_id, user.identity.email)


def test_a_user_without_a_name_has_none() -> None:
    with pytest.raises(ValueError, match="needs an external id or an email"):
        UserFields(first_name="Ada").named  # noqa: B018 - the property raises
    assert not UserFields(external_id="", email="").is_named


def test_attributes_are_those_that_the_request_sets() -> None:
    fields = UserFields(external_id="ada", first_name="", custom_attributes={"plan": None}, phone_numbers=[])
    assert fields.attributes == {"first_name": "", "custom_attributes": {"plan": None}, "phone_numbers": []}


def test_a_recipient_is_stored_without_what_the_request_does_not_set() -> None:
    recipients = [ADA, Recipient(matches={"email": None}), Recipient(topic=TopicRecipients(True))]
    stored = b'[{"external_id":"ada"},{"matches":{"email":null}},{"topic":{"subscribers":true}}]'
    assert msgspec.json.encode(recipients) == stored


def test_a_command_is_for_many_if_any_recipient_is() -> None:
    assert not SendCommand(title="t", recipients=[ADA]).is_for_many
    assert SendCommand(title="t", recipients=[ADA, Recipient(matches="*")]).is_for_many
    assert SendCommand(title="t", recipients=[Recipient(topic=TopicRecipients(True))]).is_for_many


def test_a_missing_or_empty_category_and_topic_are_sent_alike() -> None:
    expected = NotificationFields(title="t", category="", topic=None)
    assert SendCommand(title="t", recipients=[ADA]).sent == expected
    assert SendCommand(title="t", category="", topic="", recipients=[ADA]).sent == expected


def test_inboxes_show_the_overrides_that_are_not_empty() -> None:
    overrides = Overrides(channels=ChannelOverrides(in_app=ChannelOverride(title="Shown", content="")))
    command = SendCommand(title="t", content="c", recipients=[ADA], overrides=overrides)
    assert command.shown == NotificationFields(title="Shown", content="c")
    assert command.sent == NotificationFields(title="t", content="c")


def test_without_an_override_for_the_inbox_it_shows_what_was_sent() -> None:
    for overrides in (None, Overrides(), Overrides(channels=ChannelOverrides())):
        command = SendCommand(title="t", recipients=[ADA], overrides=overrides)
        assert command.shown == command.sent


def test_the_overrides_beyond_the_inbox_are_those_of_other_channels_and_of_providers() -> None:
    in_app, email = ChannelOverride(title="a"), ChannelOverride(title="b")
    assert Overrides(channels=ChannelOverrides(in_app=in_app)).beyond_inbox is None
    assert Overrides().beyond_inbox is None
    both = Overrides(channels=ChannelOverrides(in_app=in_app, email=email))
    assert both.beyond_inbox == Overrides(channels=ChannelOverrides(email=email))
    with_provider = Overrides(channels=ChannelOverrides(in_app=in_app), providers={"slack": {}})
    assert with_provider.beyond_inbox == Overrides(providers={"slack": {}})
