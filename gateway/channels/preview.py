"""What each channel shows of a message, for people who write one. Adapters make the texts, and cut them."""

from typing import NamedTuple

import msgspec

from gateway.channels.apns_payload import push_payload
from gateway.channels.message import Message
from gateway.channels.slack_blocks import MAX_HEADER, MAX_SECTION, escaped, shortened
from gateway.channels.teams import card_message
from gateway.channels.text import plain_text
from gateway.channels.twilio import text_of
from gateway.channels.web_push_payload import payload
from gateway.domain.preferences import Channel

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_ESCAPED = frozenset("\f^{}\\[~]|€")
"""The alphabet of text messages, and the characters that count twice (3GPP TS 23.038, 6.2.1)."""


class Look(NamedTuple):
    """The texts that a channel shows. `is_cut` is whether they are shorter than what was written.

    `segments` is how many text messages they take, 0 for other channels.
    """

    title: str
    content: str
    is_cut: bool = False
    segments: int = 0


def look_of(message: Message) -> Look:
    """Return what the channel of a message shows."""
    content = plain_text(message.content)
    match message.channel:
        case Channel.MOBILE_PUSH:
            return _pushed(push_payload(message), ("aps", "alert"), message, content)
        case Channel.WEB_PUSH:
            return _pushed(payload(message), ("notification",), message, content)
        case Channel.SMS:
            text = text_of(message)
            whole = "\n".join(part for part in (message.title.strip(), content, message.action_url) if part)
            return Look("", text, text != whole, segments_of(text))
        case Channel.SLACK:
            shown = shortened(content, MAX_SECTION)
            is_long = len(escaped(message.title)) > MAX_HEADER
            title = shortened(message.title, MAX_SECTION) if is_long else message.title
            return Look(title, shown, (title, shown) != (message.title, content))
        case Channel.TEAMS:
            return _posted(card_message(message), message, content)
        case Channel.EMAIL:
            return Look(message.subject or message.title, content)
    return Look(message.title, message.content or "")


def segments_of(text: str) -> int:
    """Return how many text messages a text takes (3GPP TS 23.040, 9.2.3.24.1)."""
    if _GSM.union(_GSM_ESCAPED).issuperset(text):
        size, one, each = len(text) + sum(letter in _GSM_ESCAPED for letter in text), 160, 153
    else:
        size, one, each = len(text.encode("utf-16-be", "replace")) // 2, 70, 67
    return -(-size // (one if size <= one else each))


def _pushed(encoded: bytes | None, path: tuple[str, ...], message: Message, content: str) -> Look:
    """Return the texts of a push. `path` is where its payload has them."""
    found = {} if encoded is None else msgspec.json.decode(encoded)
    for name in path:
        found = (found.get(name) if isinstance(found, dict) else None) or {}
    if not isinstance(found, dict):
        found = {"title": found}  # an alert of Apple's may be one text
    title, body = str(found.get("title") or ""), str(found.get("body") or "")
    return Look(title, body, len(title) < len(message.title) or len(body) < len(content))


def _posted(encoded: bytes | None, message: Message, content: str) -> Look:
    """Return the texts of a card: one block for the title, one for each line, and one for the name of the project."""
    if encoded is None:
        return Look("", "", is_cut=True)
    (attachment,) = msgspec.json.decode(encoded)["attachments"]
    texts = [str(block["text"]) for block in attachment["content"]["body"] if block["type"] == "TextBlock"]
    title = texts.pop(0) if message.title else ""
    lines = "\n".join(texts[:-1] if message.brand.name else texts)
    written = "\n".join(line for line in content.split("\n") if line.strip())
    return Look(title, lines, (title, lines) != (message.title, written))
