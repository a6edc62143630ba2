"""What a chat in Slack shows: blocks (docs.slack.dev, "Block Kit"), and the text of Slack's own alerts.

Texts are escaped, and Slack parses nothing in them: a notification cannot alert a whole channel. The action is a link.
Beside a button whose click no app acknowledges, Slack shows a warning (slackapi/node-slack-sdk, issue 869).
"""

import re
from typing import Any

from gateway.channels.message import Message
from gateway.channels.text import cut, plain_text

MAX_HEADER = 150
MAX_SECTION = 3000
MAX_URL = 3000
MAX_ALT_TEXT = 2000
"""Characters, after escaping (docs.slack.dev/reference/block-kit/blocks)."""

_URL = re.compile(r"https?://[^\s<>|]+[^\s<>|.,;:!?)\"'\]]")


def chat_message(message: Message, with_image: bool = True) -> dict[str, Any]:
    """Return the text and the blocks of a message. `with_image` is whether it shows the image that it may have."""
    content = plain_text(message.content)
    alert = f"{message.title}\n{content}".strip()
    blocks = [_title(message.title)] if message.title else []
    if content:
        blocks.append(_section(_linked(shortened(content, MAX_SECTION))))
    if with_image and message.image_url:
        alt_text = shortened(message.title or content or "Image", MAX_ALT_TEXT)
        blocks.append({"type": "image", "image_url": message.image_url, "alt_text": alt_text})
    if link := _link(message.action_url or ""):
        blocks.append(_section(link))
    if message.brand.name:
        source = {"type": "plain_text", "text": escaped(message.brand.name)}
        blocks.append({"type": "context", "elements": [source]})
    return {"text": escaped(shortened(alert, MAX_SECTION)), "blocks": blocks}


def escaped(text: str) -> str:
    """Return a text in which nothing has a meaning for Slack, which knows these three characters alone."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shortened(text: str, most: int) -> str:
    """Return a text that has at most so many characters when it is escaped and its addresses are links."""
    return cut(text, most, lambda part: len(_linked(part)))


def _title(title: str) -> dict[str, Any]:
    if len(escaped(title)) <= MAX_HEADER:
        return {"type": "header", "text": {"type": "plain_text", "text": escaped(title)}}
    return {"type": "section", "text": {"type": "plain_text", "text": escaped(shortened(title, MAX_SECTION))}}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _linked(text: str) -> str:
    """Return an escaped text whose addresses are links."""
    parts, end = [], 0
    for found in _URL.finditer(text):
        parts += [escaped(text[end : found.start()]), f"<{escaped(found[0])}>"]
        end = found.end()
    return "".join([*parts, escaped(text[end:])])


def _link(url: str) -> str:
    shown = f"<{escaped(url.replace('|', '%7C'))}|Open>"
    return shown if url.startswith(("https://", "http://")) and len(shown) <= MAX_URL else ""
