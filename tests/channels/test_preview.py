"""What people who write a notification see of it on each channel."""

from typing import Any

import pytest

from gateway.channels import apns_push, slack_sending, smtp, teams, twilio, web_push
from gateway.channels.message import Brand
from gateway.channels.preview import Look, look_of, segments_of
from gateway.channels.provider import Provider
from gateway.domain.preferences import Channel
from tests.channels.messages import message_to

TITLE, CONTENT, URL = "Your order has shipped", "It arrives on Friday.", "https://example.com/orders/7"
WHOLE = Look(TITLE, CONTENT)


def look(provider: Provider, **changes: Any) -> Look:
    return look_of(message_to(provider, {}, **changes))


@pytest.mark.parametrize(
    "provider", [apns_push.PROVIDER, web_push.PROVIDER, slack_sending.PROVIDER, teams.PROVIDER, smtp.PROVIDER]
)
def test_a_short_message_is_shown_whole_and_its_html_as_text(provider: Provider) -> None:
    assert look(provider) == WHOLE
    assert look(provider, content="It arrives <b>on Friday</b>.") == WHOLE
    assert look(provider, content=None) == Look(TITLE, "")


@pytest.mark.parametrize(
    ("provider", "length"), [(apns_push.PROVIDER, 5000), (web_push.PROVIDER, 5000), (slack_sending.PROVIDER, 3001)]
)
def test_a_text_that_is_too_long_is_shown_as_it_is_cut(provider: Provider, length: int) -> None:
    shown = look(provider, content="a" * length)
    assert shown.is_cut
    assert shown.content.endswith("a…")
    assert len(shown.content) < length


def test_a_card_of_teams_is_cut_or_refused_and_has_a_line_for_each_block() -> None:
    assert look(teams.PROVIDER, content="one\n\ntwo", title="", brand=Brand(name="")) == Look("", "one\ntwo")
    assert look(teams.PROVIDER, content="a" * 40_000).is_cut
    assert look(teams.PROVIDER, extra={"large": "a" * 40_000}) == Look("", "", is_cut=True)


def test_a_push_that_the_sender_replaced_or_that_cannot_fit_is_shown_as_such() -> None:
    assert look(apns_push.PROVIDER, extra={"aps": {"alert": "Mine"}}).title == "Mine"
    assert look(web_push.PROVIDER, extra={"notification": {"large": "a" * 5000}}) == Look("", "", is_cut=True)
    assert look(apns_push.PROVIDER, extra={"aps": {"alert": None}}) == Look("", "", is_cut=True)


def test_a_text_message_is_one_text_with_the_address_and_its_parts_are_counted() -> None:
    assert look(twilio.PROVIDER) == Look("", f"{TITLE}\n{CONTENT}\n{URL}", segments=1)
    shown = look(twilio.PROVIDER, content="a" * 2000)
    assert (shown.is_cut, shown.segments) == (True, 24)  # the ellipsis is not in the alphabet of text messages


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 0),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("🎉" * 36, 2),
    ],
)
def test_text_messages_are_counted_by_their_alphabet(text: str, segments: int) -> None:
    assert segments_of(text) == segments


def test_an_inbox_shows_html_and_a_mail_its_own_subject() -> None:
    message = message_to(smtp.PROVIDER, {}, subject="Mine")
    assert look_of(message) == Look("Mine", CONTENT)
    assert look(smtp.PROVIDER, channel=Channel.IN_APP, content="<b>x</b>") == Look(TITLE, "<b>x</b>")
