"""Which strings are valid as an API key, an API secret and the gateway's secret key.

Keys and secrets are sent in HTTP headers, in tokens and on command lines. A string that does not pass through all of
these unchanged would be accepted at start and then fail with every request, so it is refused where it is set.
"""

MIN_API_KEY_LENGTH = 4
"""An API key is public, so its length does not matter for security. A shorter one is most likely a typing error."""

MIN_API_SECRET_LENGTH = 6
"""The length of the contract's check value, `SECRET`. A weak secret only causes a warning: see `is_weak`."""

MIN_SECRET_KEY_LENGTH = 4
"""The key cannot be changed once it has encrypted projects, so a weak one causes a warning and is not refused."""

STRONG_LENGTH = 16
"""A shorter secret causes a warning, because the holder of a token can try secrets offline.

RFC 7518, 3.2 requires 32 bytes for HS256; `project create` generates 40.
"""

MAX_LENGTH = 255


def api_key_fault(text: str) -> str:
    """Return why `text` is not valid as an API key, "" if it is."""
    if text.startswith("-"):
        return "must not begin with a dash, which a command line takes for an option"
    return _fault(text, MIN_API_KEY_LENGTH)


def api_secret_fault(text: str) -> str:
    """Return why `text` is not valid as an API secret, "" if it is."""
    return _fault(text, MIN_API_SECRET_LENGTH)


def secret_key_fault(text: str) -> str:
    """Return why `text` is not valid as the gateway's secret key, "" if it is."""
    return _fault(text, MIN_SECRET_KEY_LENGTH, inner_spaces=True)


def is_weak(secret: str) -> bool:
    """Return whether an API secret or a secret key is short or simple enough to be guessed."""
    return len(secret) < STRONG_LENGTH or len(set(secret)) < 4


def _fault(text: str, least: int, inner_spaces: bool = False) -> str:
    # The message never contains the text, which may be a secret.
    if text != text.strip():
        return "must not begin or end with a space or a line break"
    if " " in text and not inner_spaces:
        return "must not contain a space"
    if not all(" " <= character <= "~" for character in text):
        return "must consist of printable ASCII characters: no others pass unchanged through HTTP headers"
    if not least <= len(text) <= MAX_LENGTH:
        return f"must have {least} to {MAX_LENGTH} characters"
    return ""
