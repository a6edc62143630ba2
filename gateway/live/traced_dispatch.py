"""Deliveries to sockets as spans of the requests that caused them. It is used only with INBOX_TRACES=on.

A message on the user's pub/sub channel names the span before the event arrives (store/traced_client.py). There is one
span for each event and worker, not for each connection.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence

from opentelemetry.trace import SpanKind

from gateway.domain.event import Event
from gateway.live.connection import Connection
from gateway.live.dispatch import Dispatcher
from gateway.live.replay import Replay
from gateway.live.subscriptions import UserSubscriptions
from gateway.live.user_subscription import UserSubscription
from gateway.store.inbox import InboxStore
from gateway.store.traced_client import SPAN_MESSAGE
from gateway.telemetry.spans import Spans, from_text

NAME = "deliver to sockets"

MAX_EXPECTED = 1000
EXPECTED_SECONDS = 10.0
"""How many spans are remembered until their events arrive, and for how long. Some requests cause no event."""


class TracedDispatcher(Dispatcher):
    """A dispatcher whose deliveries are spans, of events that belong to a trace."""

    def __init__(self, spans: Spans, subscriptions: UserSubscriptions, replay: Replay, inboxes: InboxStore):
        super().__init__(subscriptions, replay, inboxes)
        self._spans = spans
        self._expected: OrderedDict[tuple[bytes, int], tuple[float, str]] = OrderedDict()
        """By channel and unix ms of the event: when it is forgotten, and the span."""

    def _control_message(self, subscription: UserSubscription[Connection], message: bytes) -> None:
        if not message.startswith(SPAN_MESSAGE):
            super()._control_message(subscription, message)
            return
        published_ms, _, context = message.removeprefix(SPAN_MESSAGE).decode("ascii").partition(" ")
        now = time.monotonic()
        self._expected[subscription.channel, int(published_ms)] = (now + EXPECTED_SECONDS, context)
        while len(self._expected) > MAX_EXPECTED or next(iter(self._expected.values()))[0] < now:
            self._expected.popitem(last=False)

    def _deliver(self, subscription: UserSubscription[Connection], run: Sequence[Event]) -> None:
        found = []
        for event in run if self._expected else ():
            expected = self._expected.pop((subscription.channel, event.published_ms), None)
            if expected is not None:
                found.append((event, expected[1]))
        started = time.time_ns() if found else 0
        super()._deliver(subscription, run)
        for event, context in found:
            attributes = {"inbox.event": event.name, "inbox.connections": len(subscription.connections)}
            parent = from_text(context)
            self._spans.begin(NAME, SpanKind.CONSUMER, attributes, parent, started_ns=started).end()
