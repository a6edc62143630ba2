"""The parts of a delivery that are the same for all recipients."""

from typing import Any

import msgspec

from gateway.domain.retention import ItemRetention
from gateway.store.contents import Content
from gateway.store.event_log import Moment


class OutgoingItem(msgspec.Struct, frozen=True):
    """The parts of a delivery that are the same for all recipients.

    With `repeatable`, the same item may be sent again within 24 hours, and a user who deleted it meanwhile does not get
    it back. With `skip_broken`, a recipient whose stored data cannot be read is reported, and the others still get the
    item. `custom_attributes` are those of the content. The conditions of delivery configs refer to them. `of_many` is
    whether there may be other recipients.
    """

    content: Content
    moment: Moment
    keep: ItemRetention
    repeatable: bool
    skip_broken: bool = False
    custom_attributes: dict[str, Any] | None = None
    of_many: bool = False
