"""What a chat in Slack shows."""

import pytest

from gateway.channels.message import Brand
from gateway.channels.slack_blocks import MAX_SECTION, chat_message, escaped, shortened
from gateway.channels.slack_sending import PROVIDER
from tests.channels.messages import message_to

WEBHOOK = {"webhook": {"url": "https://hooks.slack.com/services/T0/B0/x"}}


def test_a_message_is_a_header_a_text_a_link_and_the_project() -> None:
    assert chat_message(message_to(PROVIDER, WEBHOOK)) == {
        "text": "Your order has shipped\nIt arrives on Friday.",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "Your order has shipped"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "It arrives on Friday.", "verbatim": True}},
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": "<https://example.com/orders/7|Open>", "verbatim": True},
            },
            {"type": "context", "elements": [{"type": "plain_text", "text": "Shop"}]},
        ],
    }


def test_a_message_with_a_title_alone_has_a_header_alone() -> None:
    shown = chat_message(message_to(PROVIDER, WEBHOOK, content=None, action_url=None, brand=Brand(name="")))
    assert [block["type"] for block in shown["blocks"]] == ["header"]


def test_no_text_can_mention_a_channel_or_a_user() -> None:
    hostile = "&lt;!channel&gt; &lt;@U1&gt; &amp; &lt;https://evil.example.com|Slack&gt;"
    shown = chat_message(message_to(PROVIDER, WEBHOOK, title="<!here>", content=hostile, action_url="https://a/|b>c"))
    texts = [block["text"]["text"] for block in shown["blocks"][:3]]
    assert texts == [
        "&lt;!here&gt;",
        "&lt;!channel&gt; &lt;@U1&gt; &amp; &lt;<https://evil.example.com>|Slack&gt;",
        "<https://a/%7Cb&gt;c|Open>",
    ]
    assert all(block["text"].get("verbatim", True) for block in shown["blocks"][:3])


def test_an_address_in_a_text_is_a_link_without_the_punctuation_after_it() -> None:
    shown = chat_message(message_to(PROVIDER, WEBHOOK, title="", content="See https://example.com/a?b=1&c=2."))
    assert shown["blocks"][0]["text"]["text"] == "See <https://example.com/a?b=1&amp;c=2>."


def test_an_address_that_slack_does_not_open_is_left_out() -> None:
    shown = chat_message(message_to(PROVIDER, WEBHOOK, action_url="shop://orders/7"))
    assert "shop:" not in str(shown)


def test_a_title_that_is_too_long_for_a_header_is_a_section() -> None:
    shown = chat_message(message_to(PROVIDER, WEBHOOK, title="&" * 31))
    assert shown["blocks"][0] == {"type": "section", "text": {"type": "plain_text", "text": "&amp;" * 31}}


def test_an_image_has_the_title_as_its_text() -> None:
    message = message_to(PROVIDER, WEBHOOK, image_url="https://example.com/parcel.png")
    image = {"type": "image", "image_url": message.image_url, "alt_text": "Your order has shipped"}
    assert image in chat_message(message)["blocks"]
    assert image not in chat_message(message, with_image=False)["blocks"]


@pytest.mark.parametrize("text", ["a" * 9000, "&" * 9000, "ab&" * 3000, "https://example.com/ " * 500, "<>" * 2999])
def test_a_long_text_is_cut_with_an_ellipsis_and_no_escape_is_cut(text: str) -> None:
    kept = shortened(text, MAX_SECTION)
    assert kept.endswith("…")
    assert text.startswith(kept[:-1])
    assert MAX_SECTION * 0.9 < len(escaped(kept)) <= MAX_SECTION


def test_a_text_that_fits_stays() -> None:
    assert shortened("a" * MAX_SECTION, MAX_SECTION) == "a" * MAX_SECTION
