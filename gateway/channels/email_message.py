"""A mail made of a message: sender, recipient, subject, headers, a plain and an HTML part.

All providers of mail send what `mail_of` returns. Nothing in it can end a header: addresses have a strict form, texts
of headers are one line, and `EmailMessage` refuses line breaks.
"""

import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, formataddr
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from gateway.channels.email_brand import Palette
from gateway.channels.email_content import Content, content_of, is_right_to_left
from gateway.channels.email_html import MAX_PREHEADER, Body, document
from gateway.channels.message import Message
from gateway.channels.outcome import Dead, Misconfigured
from gateway.channels.text import cut
from gateway.domain.preferences import label_of

MAX_SUBJECT = 255
MAX_NAME = 100

BUTTON_LABEL = "View details"

_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,254}}\Z)(?=[^@]{{1,64}}@){_LOCAL}@{_LABEL}(\.{_LABEL})*")
"""An address that needs no quoting anywhere (RFC 5321, 4.1.2, "Dot-string" and "Domain"; 4.5.3.1)."""


class Mailbox(NamedTuple):
    """An address in ASCII, with the name that is shown, "" for none."""

    email: str
    name: str = ""

    @property
    def header(self) -> str:
        """Return the mailbox as headers have it, in ASCII (RFC 5322, 3.4; RFC 2047)."""
        return formataddr((self.name, self.email))


class Mail(NamedTuple):
    """A mail. `headers` are those beside the usual ones. `message_id` is the same at every repetition."""

    sender: Mailbox
    reply_to: Mailbox | None
    recipient: Mailbox
    subject: str
    text: str
    html: str
    message_id: str
    headers: tuple[tuple[str, str], ...]


def mail_of(message: Message, default_sender: str = "") -> Mail | Dead | Misconfigured:
    """Return the mail for a message, or the outcome if there cannot be one.

    `default_sender` is the address of the sender if the configuration has none.
    """
    sender = _mailbox(message.config.get("from") or {"email": default_sender}, message.brand.name)
    if sender is None:
        return Misconfigured("no valid 'from' address")
    recipient = ascii_address(message.destination.get("email") or "")
    if not recipient:
        return Dead("no valid email address")
    reply_to = message.config.get("reply_to")
    domain = sender.email.rpartition("@")[2]
    name = _line(message.brand.name, MAX_NAME) or domain
    palette = Palette.of(message.brand.color)
    content = content_of(message.content or "", palette.link)
    body = _body(message, content, name)
    return Mail(
        sender=sender,
        reply_to=_mailbox(reply_to, "") if reply_to else None,
        recipient=Mailbox(recipient),
        subject=_line(message.subject or message.title, MAX_SUBJECT) or name,
        text=_plain(body, content),
        html=document(body, replace(message.brand, name=name), palette),
        message_id=f"<{message.id}@{domain}>",
        headers=tuple(_headers(message, domain)),
    )


def ascii_address(address: str) -> str:
    """Return an address with its domain in ASCII (RFC 5890), "" if it is none that every mail server knows."""
    local, _, domain = address.strip().rpartition("@")
    try:
        found = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return ""
    return found if _ADDRESS.fullmatch(found) else ""


def _mailbox(saved: Mapping[str, Any], default_name: str) -> Mailbox | None:
    address = ascii_address(saved.get("email") or "")
    return Mailbox(address, _line(saved.get("name") or default_name, MAX_NAME)) if address else None


def _line(text: str, length: int) -> str:
    """Return a text as one line without control characters, cut at a length."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return cut(" ".join(text.split()), length)


def _headers(message: Message, domain: str) -> list[tuple[str, str]]:
    headers = [("Auto-Submitted", "auto-generated")]  # RFC 3834: no automatic reply
    if message.topic:
        # Mails about one topic refer to the same id, which mail programs show as one conversation.
        named = f"{message.project_id} {message.user_id} {message.topic}".encode()
        headers.append(("References", f"<topic.{hashlib.sha256(named).hexdigest()[:32]}@{domain}>"))
    if message.unsubscribe_url:
        headers.append(("List-Unsubscribe", f"<{message.unsubscribe_url}>"))
        if message.unsubscribe_url.startswith("https://"):  # RFC 8058, 3.1
            headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return headers


def _body(message: Message, content: Content, name: str) -> Body:
    label = label_of(message.category) if message.category else ""
    return Body(
        title=" ".join(message.title.split()),
        preheader=_line(content.text[: 4 * MAX_PREHEADER], MAX_PREHEADER),
        content=content.html,
        button_url=_web_address(message.action_url),
        button_label=BUTTON_LABEL,
        image_url=_web_address(message.image_url),
        reason=_reason(name, label, is_optional=bool(message.unsubscribe_url)),
        unsubscribe_url=message.unsubscribe_url,
        unsubscribe_label=f"Unsubscribe from emails about “{label}”" if label else "Unsubscribe",
        right_to_left=is_right_to_left(f"{message.title} {content.text}"),
    )


def _reason(name: str, label: str, *, is_optional: bool) -> str:
    """Return why a user gets a mail. `label` is that of the category, "" for none."""
    if not is_optional:
        return (
            f"You receive this email about “{label}” from {name}." if label else f"You receive this email from {name}."
        )
    return f"You receive emails about “{label}” from {name}." if label else f"You receive emails from {name}."


def _web_address(url: str | None) -> str:
    """Return an address that mail programs open, "" for others such as those of apps."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return ""
    return url or "" if parts.scheme.lower() in ("http", "https") and parts.netloc else ""


def _plain(body: Body, content: Content) -> str:
    """Return the plain part of a mail."""
    footer = body.reason
    if body.unsubscribe_url:
        footer = f"{footer}\n{body.unsubscribe_label}: {body.unsubscribe_url}"
    action = f"{body.button_label}: {body.button_url}" if body.button_url else ""
    parts = (body.title, content.text, action, f"-- \n{footer}")
    return "\n\n".join(part for part in parts if part) + "\n"


_POLICY = EmailPolicy(linesep="\r\n", cte_type="7bit")

_OURS = re.compile(r"[!-~]+( [!-~]+)*")
"""The value of a header that is neither folded nor encoded: ASCII in one line."""


def mime_of(mail: Mail, now: float) -> bytes:
    """Return a mail as it is sent by SMTP, in ASCII. `now` is the unix time."""
    head = EmailMessage(_POLICY)
    head["From"] = _address(mail.sender)
    head["To"] = _address(mail.recipient)
    if mail.reply_to is not None:
        head["Reply-To"] = _address(mail.reply_to)
    head["Subject"] = mail.subject
    # No quoted-printable text contains these two characters together (RFC 2045, 6.7).
    boundary = f"=_{hashlib.sha256(mail.message_id.encode()).hexdigest()[:32]}"
    ours = (
        ("Date", format_datetime(datetime.fromtimestamp(int(now), UTC))),
        ("Message-ID", mail.message_id),
        *mail.headers,
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/alternative; boundary="{boundary}"'),
    )
    parts = (_part(boundary, "plain", mail.text), _part(boundary, "html", mail.html))
    end = f"--{boundary}--\r\n".encode()
    return b"".join([head.as_bytes().removesuffix(b"\r\n"), *map(_header, ours), b"\r\n", *parts, end])


def _header(header: tuple[str, str]) -> bytes:
    """Return a header with a value of ours, such as an id or a link.

    `EmailMessage` would encode a long one, which must not be (RFC 2047, 5). A line may have 998 characters (RFC 5322,
    2.1.1), more than a link has.
    """
    name, value = header
    if not _OURS.fullmatch(value):
        raise ValueError(f"{name} is not in ASCII")
    return f"{name}: {value}\r\n".encode()


def _part(boundary: str, subtype: str, text: str) -> bytes:
    """Return a part. `email` would take 20 times as long to encode it."""
    head = (
        f"--{boundary}\r\nContent-Type: text/{subtype}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    lines = re.sub(r"\r\n?|\n", "\r\n", text)
    return head.encode() + binascii.b2a_qp(lines.encode(errors="replace")) + b"\r\n"


def _address(mailbox: Mailbox) -> Address:
    return Address(mailbox.name, addr_spec=mailbox.email)
