"""Mails: headers that nobody can inject into, ids that stay the same, and who may unsubscribe."""

import email
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.channels.email_message import MAX_SUBJECT, Mail, Mailbox, ascii_address, mail_of, mime_of
from gateway.channels.message import Brand, Message
from gateway.channels.outcome import Dead, Misconfigured
from tests.channels.email_gallery import message, rendered

NOW = 1_795_000_000.0


def parsed(sample: Message) -> EmailMessage:
    """Return the mail of a message as a mail server reads it."""
    read = email.message_from_bytes(mime_of(rendered(sample), NOW), policy=default)
    assert isinstance(read, EmailMessage)
    assert not read.defects
    return read


def test_a_mail_has_a_plain_and_an_html_part_with_the_title_the_text_and_the_link() -> None:
    mail = parsed(message(content="Ünïcode <b>bold</b>\r\n.\r\nfrom here"))
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = (part.get_content() for part in mail.iter_parts())
    assert "Your order is on its way" in plain
    assert "Ünïcode bold" in plain
    assert "View details: https://shop.example.com/orders/4711" in plain
    assert "Unsubscribe from emails about “Orders”: https://inbox.example.com/unsubscribe/token" in plain
    assert "Ünïcode <b>bold</b>" in html
    assert 'href="https://shop.example.com/orders/4711"' in html


def test_titles_and_names_are_escaped_everywhere() -> None:  # complaint 14
    evil = '"><script>alert(1)</script>&amp;'
    sample = message(
        title=evil, category=evil, brand=Brand(name=evil, logo_url=evil, color=evil), image_url=f"https://x/{evil}",
        action_url=f"https://x.example/{evil}", unsubscribe_url=f"https://y.example/{evil}", content=None,
    )  # fmt: skip
    html = rendered(sample).html
    assert "<script" not in html
    assert evil not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;" in html


@pytest.mark.parametrize(
    "text", ["a\r\nBcc: x@y.z", "a\nBcc: x@y.z", "a\u2028\u0085\x00\x0bBcc: x@y.z", "ä\r\n\r\nbody"]
)
def test_no_text_of_a_sender_adds_a_header(text: str) -> None:
    sample = message(
        title=text,
        topic=text,
        category=text,
        brand=Brand(name=text),
        config={
            "from": {"email": "shop@example.com", "name": text},
            "reply_to": {"email": "a@b.example", "name": text},
        },
    )
    mail = parsed(sample)
    assert set(mail.keys()) == {
        *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"),
        *("Auto-Submitted", "References", "List-Unsubscribe", "List-Unsubscribe-Post"),
    }
    assert mail["To"] == "ada@example.com"
    assert "\n" not in mail["Subject"]


@pytest.mark.parametrize(
    ("address", "found"),
    [
        (" Ada@Example.com ", "Ada@Example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("a@b", "a@b"),
        ("a,b@example.com", ""),
        ('"a b"@example.com', ""),
        ("a@b>\r\nRCPT TO:<c@example.com", ""),
        ("adä@example.com", ""),
        ("@example.com", ""),
        ("a@", ""),
        ("a@-b.example", ""),
        ("a" * 65 + "@example.com", ""),
        ("a@" + "b." * 130 + "example", ""),
        ("a@" + "ß" * 70 + ".example", ""),
    ],
)
def test_an_address_needs_no_quoting_or_is_none(address: str, found: str) -> None:
    assert ascii_address(address) == found


def test_an_address_that_is_none_is_dead_and_a_missing_sender_is_a_fault_of_the_configuration() -> None:
    assert mail_of(message(destination={"email": "a b@c"})) == Dead("no valid email address")
    assert mail_of(message(config={})) == Misconfigured("no valid 'from' address")
    mail = mail_of(message(config={}), "notifications@mg.example.com")
    assert isinstance(mail, Mail)
    assert mail.sender == Mailbox("notifications@mg.example.com", "Orchard")
    nameless = rendered(message(brand=Brand(name=" ")))
    assert "You receive emails about “Orders” from example.com." in nameless.text


def test_the_message_id_is_the_same_at_every_attempt() -> None:  # a mail that comes twice is recognized
    first, second = (parsed(message(attempt=attempt)) for attempt in (1, 2))
    assert first["Message-ID"] == second["Message-ID"] == "<0b7e1c52-5a39-5d7c-9a54-3f2f6d0b4f11@example.com>"


def test_mails_of_a_topic_are_one_conversation_of_one_user() -> None:
    first, again, other = (rendered(message(topic="t" * 90, user_id=user)) for user in ("u-1", "u-1", "u-2"))
    references = dict(first.headers)["References"]
    assert references == dict(again.headers)["References"] != dict(other.headers)["References"]
    assert "References" not in dict(rendered(message()).headers)


def test_one_click_unsubscribing_is_offered_only_where_a_user_may_unsubscribe() -> None:  # complaint 13
    url = "https://inbox.example.com/unsubscribe/" + "x" * 200
    mail = parsed(message(unsubscribe_url=url))
    assert mail["List-Unsubscribe"] == f"<{url}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    required = parsed(message(unsubscribe_url="", title="Reset your password"))
    assert required["List-Unsubscribe"] is required["List-Unsubscribe-Post"] is None
    assert "nsubscribe" not in required.as_string()


def test_ids_and_addresses_are_never_encoded_or_folded() -> None:  # RFC 2047, 5
    raw = mime_of(rendered(message(topic="x", unsubscribe_url="https://i.example/" + "x" * 300)), NOW).decode()
    assert f"List-Unsubscribe: <https://i.example/{'x' * 300}>\r\n" in raw
    assert max(len(line) for line in raw.split("\r\n")) < 998


@pytest.mark.parametrize("url", ["https://x.example/\r\nBcc: a@b.c", "https://x.example/ä", "https://x.example/\t"])
def test_a_link_that_could_end_a_header_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="List-Unsubscribe is not in ASCII"):
        mime_of(rendered(message(unsubscribe_url=url)), NOW)


def test_a_subject_is_one_line_of_limited_length() -> None:
    mail = rendered(message(title="a  b\n" + "ü" * 400))
    assert mail.subject.startswith("a b ü")
    assert len(mail.subject) == MAX_SUBJECT
    assert mail.subject.endswith("…")
    assert rendered(message(title=" ")).subject == "Orchard"
    assert parsed(message(title="Grüße 👋 an alle"))["Subject"] == "Grüße 👋 an alle"


@pytest.mark.parametrize("url", ["shop://orders/1", "/orders/1", "javascript:alert(1)", "https://", "http://[x", None])
def test_there_is_no_button_for_what_a_mail_program_cannot_open(url: str | None) -> None:
    assert "View details" not in rendered(message(action_url=url)).html


def test_a_mail_is_sent_in_ascii() -> None:
    raw = mime_of(rendered(message(title="Grüße", content="\ud800ü\n.\n" + "y" * 3000)), NOW)
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998


TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
PIECES = ("<", ">", "</", "<p>", "<a href='", "'", '"', "&", "&lt;", "<!--", "<pre>", "<img src=https://x ", "é")
MARKUP = st.lists(st.sampled_from(PIECES) | TEXT)


@given(title=TEXT, content=MARKUP.map("".join), name=TEXT, category=TEXT, topic=TEXT)
@settings(max_examples=100)
def test_whatever_the_texts_are_a_mail_has_its_headers_and_both_parts(
    title: str, content: str, name: str, category: str, topic: str
) -> None:
    sample = message(title=title, content=content, category=category, topic=topic, brand=Brand(name=name))
    mail = parsed(sample)
    assert len(mail.keys()) == (12 if topic else 11) - 1
    plain, html = (part.get_content() for part in mail.iter_parts())
    assert "\r\n-- \r\nYou receive emails" in f"\r\n{plain}"
    assert html.startswith("<!doctype html>")
    assert html.rstrip().endswith("</html>")
    assert html.count('<td class="foot"') == 1
