"""What mail services report of mails that they have taken: addresses that bounced, and people who complained."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Feedback(NamedTuple):
    """An address to which nothing more shall be sent.

    `user_id` is what our ids in the mail say, "" without them. `reason` is `bounced` or `complaint`.
    """

    email: str
    reason: str
    user_id: str = ""


ReadFeedback = Callable[[Mapping[str, Any], Mapping[str, Any]], list[Feedback]]
"""Returns what a verified webhook reports. The arguments are the plain part of the configuration, and the payload."""


def no_feedback(config: Mapping[str, Any], payload: Mapping[str, Any]) -> list[Feedback]:
    """Return nothing: the webhooks of this provider are not about mails."""
    return []


def text_in(values: Any, name: str) -> str:
    """Return a text of an object, "" if the value is no object or the field no text."""
    found = values.get(name) if isinstance(values, dict) else None
    return found if isinstance(found, str) else ""
