"""The hot path: from a message of Redis pub/sub to the sockets of a user's connections. Nothing here awaits.

A message is one event, encoded as clients receive it, or a control message, which begins with `!`. An event whose
content is shared by many users refers to that content. If this worker has not read the content yet, its connections
read the event from the log, and the content is cached from then on.
"""

import time
from collections.abc import Callable, Sequence

from gateway.domain.event import Event
from gateway.live.connection import Connection
from gateway.live.replay import Replay
from gateway.live.revocation import close_revoked
from gateway.live.subscriptions import UserSubscriptions
from gateway.live.user_subscription import UserSubscription
from gateway.store.event_log import RESYNC_MESSAGE
from gateway.store.inbox import InboxStore
from gateway.store.presence import QUESTION_MESSAGE
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import DELIVERED, DELIVERY_SECONDS


class Dispatcher:
    """Delivers published messages to the connections of one worker."""

    def __init__(self, subscriptions: UserSubscriptions, replay: Replay, inboxes: InboxStore):
        self.on_other: Callable[[bytes, Sequence[bytes]], None] = lambda channel, messages: None
        """Called with messages on channels of no connected user."""
        self.on_question: Callable[[UserSubscription[Connection], bytes], None] = lambda subscription, message: None
        """Called with questions about a user's connections. Raises ValueError for what is none."""
        self._subscriptions = subscriptions
        self._replay = replay
        self._inboxes = inboxes

    def dispatch(self, channel: bytes, messages: Sequence[bytes]) -> None:
        """Write messages that arrived together on a user's channel to all connections of the user."""
        subscription = self._subscriptions.get(channel)
        if subscription is None:
            self.on_other(channel, messages)
            return
        run: list[Event] = []  # consecutive events, which are written together
        for message in messages:
            complete = self._inboxes.expand_cached(message) if b"\0" in message else message
            try:
                event = None if message.startswith(b"!") else Event.decode(complete or message)
                if event is not None and complete and (not run or event.position.follows(run[-1].position)):
                    run.append(event)
                    continue
                self._deliver(subscription, run)
                run = []
                if event is None:
                    self._control_message(subscription, message)
                elif complete:
                    run.append(event)
                else:
                    for connection in subscription.connections:
                        connection.perform(connection.session.event_published(event.position))
            except ValueError:
                # Only the gateway's Redis functions should publish here. The log is correct whatever was published.
                log.error("foreign_message", channel=channel)
        self._deliver(subscription, run)

    def _control_message(self, subscription: UserSubscription[Connection], message: bytes) -> None:
        if message == RESYNC_MESSAGE:
            self._replay.subscription_interrupted(subscription.channel)
        elif message.startswith(QUESTION_MESSAGE):
            self.on_question(subscription, message)
        else:
            close_revoked(subscription, message)

    def _deliver(self, subscription: UserSubscription[Connection], run: Sequence[Event]) -> None:
        """Write consecutive events to a user's connections: encoded once per transport, one write per connection."""
        if not run:
            return
        before, last = run[0].position.before, run[-1].position
        frames: dict[str, bytes] = {}
        reached = 0
        for connection in subscription.connections:
            frame = frames.get(connection.name)
            if frame is None:
                frame = frames[connection.name] = b"".join(map(connection.encode_event, run))
            if connection.deliver(before, last, frame):
                reached += 1
        DELIVERED.inc(reached * len(run))
        DELIVERY_SECONDS.observe(max(0.0, time.time() - run[0].published_ms / 1000))
