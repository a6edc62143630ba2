"""What an API key, an API secret and the gateway's secret key may look like.

A key and a secret travel in HTTP headers, in tokens and on command lines. What cannot pass through all of these
unchanged would be accepted at start and refused with every request, so it is refused where it is set.
"""

LEAST_API_KEY_LENGTH = 4
"""An API key is public, so its length is no matter of safety; a shorter one is a slip of the hand."""

LEAST_API_SECRET_LENGTH = 6
"""That of the contract's check value, `SECRET`. What is merely weak is told: see `is_weak`."""

LEAST_SECRET_KEY_LENGTH = 4
"""It cannot be changed once projects are encrypted with it, so what is merely weak is told and not refused."""

STRONG_LENGTH = 16
"""Whoever holds one token can try secrets offline: RFC 7518, 3.2 wants 32 bytes, and `project create` makes 40."""

MOST_LENGTH = 255


def api_key_fault(text: str) -> str:
    """Return why this cannot be an API key, or ""."""
    if text.startswith("-"):
        return "must not begin with a dash, which a command line takes for an option"
    return _fault(text, LEAST_API_KEY_LENGTH)


def api_secret_fault(text: str) -> str:
    """Return why this cannot be an API secret, or ""."""
    return _fault(text, LEAST_API_SECRET_LENGTH)


def secret_key_fault(text: str) -> str:
    """Return why this cannot be the gateway's secret key, or ""."""
    return _fault(text, LEAST_SECRET_KEY_LENGTH, inner_spaces=True)


def is_weak(secret: str) -> bool:
    """Return whether an API secret or a secret key can be guessed."""
    return len(secret) < STRONG_LENGTH or len(set(secret)) < 4


def _fault(text: str, least: int, inner_spaces: bool = False) -> str:
    # The text itself is never repeated: it may be a secret.
    if text != text.strip():
        return "must not begin or end with a space or a line break"
    if " " in text and not inner_spaces:
        return "must not contain a space"
    if not all(" " <= character <= "~" for character in text):
        return "must consist of printable ASCII characters: no others pass unchanged through HTTP headers"
    if not least <= len(text) <= MOST_LENGTH:
        return f"must have {least} to {MOST_LENGTH} characters"
    return ""
