"""Plans: what was decided once, is stored, and is followed by every later attempt.

Each plan has a version. A plan without one was stored before plans had versions, and is of version 1. Field names are
those of the stored JSON and stay as they are.
"""

import msgspec

from gateway.sending.command import Recipient
from gateway.store.contents import NotificationFields
from gateway.store.event_log import Moment


class SendPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What each attempt at a request that sends must repeat: the id and the moment of the first one.

    Stored with the Idempotency-Key for 24 hours.
    """

    id: str
    moment: Moment
    version: int = 1


class BroadcastPlan(msgspec.Struct, frozen=True):
    """The payload of a broadcast's job, stored for 30 days. The record of the job carries the version.

    `view` is the broadcast as responses show it, without its status. `root` is the first part of the names in error
    messages, such as `broadcast` in `broadcast.recipients[0]`. `user_count` is how many users the project had: users
    with a later index were created afterwards and get nothing.
    """

    view: msgspec.Raw
    shown: NotificationFields
    recipients: list[Recipient]
    root: str
    moment: Moment
    user_count: int = msgspec.field(name="roster_size")


_decoder = msgspec.json.Decoder(BroadcastPlan)


def decode_broadcast(payload: bytes) -> BroadcastPlan:
    """Decode the payload of a broadcast's job. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(payload)
