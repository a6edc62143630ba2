"""Times in the form of v2 and of webhooks: RFC 3339 in UTC, with milliseconds."""

from datetime import UTC, datetime


def rfc3339(unix: int) -> str:
    """Return unix seconds in this form.

    The vendor's Swift client cannot read a time without a fraction of a second.
    """
    return rfc3339_ms(unix * 1000)


def rfc3339_ms(unix_ms: int) -> str:
    """Return unix milliseconds in this form."""
    seconds, ms = divmod(unix_ms, 1000)
    return datetime.fromtimestamp(seconds, UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{ms:03}Z")
