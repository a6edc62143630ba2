"""The contact that push services get with each message: where they reach the operator (RFC 8292, 2.1)."""

from urllib.parse import urlsplit

from gateway.domain.outbound import PUBLIC_ONLY

_RESERVED = (".invalid", ".test", ".example")
"""Top-level domains that nobody can have (RFC 2606, 2), besides those that are refused for all addresses."""

MAX_CONTACT_LENGTH = 255


def contact_fault(text: str) -> str:
    """Return what a contact must be instead, "" if it is one that a push service accepts.

    Apple refuses contacts whose host is not public, with 403 BadJwtToken (web-push-libs/web-push, issue 947).
    """
    wrong = "must be a `mailto:` or `https:` address"
    if len(text) > MAX_CONTACT_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
        return wrong
    try:
        parts = urlsplit(text)
        host = parts.path.rpartition("@")[2] if parts.scheme == "mailto" else parts.hostname or ""
    except ValueError:
        return wrong
    if parts.scheme not in ("mailto", "https") or (parts.scheme == "mailto" and "@" not in parts.path.strip("@")):
        return wrong
    if fault := PUBLIC_ONLY.host_fault(host):
        return fault
    return "must have a public host name" if f".{host}".lower().endswith(_RESERVED) else ""
