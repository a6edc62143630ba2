"""Plans: stored decisions of the first attempt, which every later attempt follows.

Each plan has a version. A plan without one was stored before plans had versions, and is of version 1. Field names are
those of the stored JSON and stay as they are.

Gateways of several versions may share a store during an upgrade. A gateway rejects a plan of an unknown version. The
client of a request then repeats it, and the queue leaves a job to newer gateways (store/job_queue.py).
"""

import os
from collections.abc import Sequence
from typing import Annotated

import msgspec

from gateway.sending.command import Recipient
from gateway.store.contents import NotificationFields
from gateway.store.event_log import Moment

_VERSION_7 = 0x7000_8000_0000_0000_0000
_RANDOM_BITS = 0x0FFF_3FFF_FFFF_FFFF_FFFF

KNOWN_REQUEST_VERSION = 1
"""The newest version of the plan of a request that this gateway can follow."""

KnownVersion = Annotated[int, msgspec.Meta(le=KNOWN_REQUEST_VERSION)]
"""A version that decoding accepts. Python code that compares it would also run for each new plan."""


class SendPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """The plan of a request that sends: the id and the moment of the first attempt.

    Stored with the Idempotency-Key for 24 hours. Decoding fails for a version that is not known.
    """

    id: str
    moment: Moment
    version: KnownVersion = 1


def new_send_plan(moment: Moment) -> SendPlan:
    """Return the plan of a new request.

    Its id begins with the moment, and has 74 random bits (RFC 9562, UUIDv7). See store/recipient_search.py.
    """
    number = moment.now_ms << 80 | int.from_bytes(os.urandom(10)) & _RANDOM_BITS | _VERSION_7
    digits = f"{number:032x}"
    # UUID objects, of which this has none, would take five times as long (measured).
    text = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return SendPlan(text, moment)


class ImportPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """The plan of a request that imports: the id and the unix milliseconds of the first attempt.

    Stored with the Idempotency-Key for 24 hours. Decoding fails for a version that is not known.
    """

    id: str
    now_ms: int
    version: KnownVersion = 1


class BroadcastPlan(msgspec.Struct, frozen=True):
    """The payload of a broadcast's job, stored for 30 days. The record of the job carries the version.

    `view` is the broadcast as responses show it, without its status. `root` is the first part of the names in error
    messages, such as `broadcast` in `broadcast.recipients[0]`; it may be "". `user_count` is how many users the project
    had. Users with a later index were created afterwards and do not get the notification.
    """

    view: msgspec.Raw
    shown: NotificationFields
    recipients: Sequence[Recipient]
    root: str
    moment: Moment
    user_count: int = msgspec.field(name="roster_size")


_decoder = msgspec.json.Decoder(BroadcastPlan)


def decode_broadcast(payload: bytes) -> BroadcastPlan:
    """Decode the payload of a broadcast's job. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(payload)
