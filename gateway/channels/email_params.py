"""The sender and the recipient of replies, which all mail providers have alike."""

from gateway.domain.objects import Object
from gateway.domain.params import FormedText, Text

_NAME = FormedText(max_length=255, pattern=r"[^\r\n]*", form="one line")


def mailbox(description: str, required: bool = False) -> Object:
    """Return the field of a mail address with an optional display name."""
    fields = {"email": Text(required=True, max_length=254, email=True), "name": _NAME}
    return Object(required=required, description=description, fields=fields)


FROM = mailbox("The sender of each mail.")
REPLY_TO = mailbox("Who receives replies, by default the sender.")
