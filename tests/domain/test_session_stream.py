"""The guarantee of a session: every event once and in order, for any order of publications, reads and outages."""

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.domain.effects import Close, Effects, ReadLog, Send
from gateway.domain.event import Counts, Event, LogPage, Position
from gateway.domain.messages import Ready, Reset
from gateway.domain.principal import Credentials
from gateway.domain.session import Session, SessionLimits, SessionState

LIMITS = SessionLimits(heartbeat_seconds=25, authentication_seconds=10, max_messages_per_minute=100)
COUNTS = Counts(0, 0, 0, 0)
PAGE_EVENTS = 3
FAULTS = [
    "lose one",
    "receive twice",
    "cut",
    "restore",
    "restore",
    "store is unavailable",
    "retry",
    "trim",
    "lose the log",
    "flush",
]


def event(position: Position) -> Event:
    return Event(position, 0, "notifications/new", b"{}")


class Log:
    """A user's log like that of the store: an epoch, the newest offset, and how many old events are trimmed."""

    def __init__(self) -> None:
        self.epoch = 1
        self.newest = 0
        self.trimmed = 0

    @property
    def end(self) -> Position:
        return Position(str(self.epoch), self.newest)

    def publish(self) -> Event:
        self.newest += 1
        return event(self.end)

    def read(self, after: Position | None) -> LogPage:
        if after is None or after == self.end:
            return LogPage(self.end, COUNTS)
        if after.epoch != self.end.epoch:
            return LogPage(self.end, COUNTS, reset_reason="epoch_changed")
        if after.offset > self.newest:
            return LogPage(self.end, COUNTS, reset_reason="position_unknown")
        if after.offset < self.trimmed:
            return LogPage(self.end, COUNTS, reset_reason="position_expired")
        last = min(self.newest, after.offset + PAGE_EVENTS)
        events = tuple(event(Position(self.end.epoch, offset)) for offset in range(after.offset + 1, last + 1))
        return LogPage(self.end, COUNTS, events)


class Peer:
    """A client that checks what it receives: after `ready` or `reset` at a position, always exactly the next event."""

    def __init__(self) -> None:
        self.position: Position | None = None

    def receive(self, message: object) -> None:
        if isinstance(message, Ready):
            assert self.position is None, "ready comes once"
            self.position = Position.parse(message.position)
        elif isinstance(message, Reset):
            assert self.position is not None, "reset follows ready"
            self.position = Position.parse(message.position)
        elif isinstance(message, Event):
            assert self.position is not None, "nothing comes before ready"
            assert message.position == Position(self.position.epoch, self.position.offset + 1)
            self.position = message.position


class StreamMachine(RuleBasedStateMachine):
    """One session between a log, a lossy subscription and a peer."""

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.peer = Peer()
        self.session = Session("c", LIMITS, now=0)
        self.subscription: deque[Event] = deque()
        self.subscribed = True
        self.question: ReadLog | None = None  # sent to the store, but not processed yet
        self.reply: LogPage | None = None  # not received by the session yet
        self.waiting_for_retry = False

    def perform(self, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case Send(messages):
                    for message in messages:
                        self.peer.receive(message)
                case ReadLog():
                    assert self.question is None, "one read at a time"
                    assert self.reply is None, "one read at a time"
                    self.question = effect
                case Close():
                    raise AssertionError("nothing here closes a session")

    @initialize(published=st.integers(0, 6), since=st.none() | st.integers(-1, 8), epoch=st.sampled_from(["1", "0"]))
    def open(self, published: int, since: int | None, epoch: str) -> None:
        for _ in range(published):
            self.log.publish()
        text = None if since is None else "no position" if since < 0 else f"{epoch}.{since}"
        self.session.credentials_found(Credentials(api_key="k"), text)
        self.perform(self.session.authenticated(None))

    @rule()
    def publish(self) -> None:
        published = self.log.publish()
        if self.subscribed:
            self.subscription.append(published)

    @precondition(lambda self: self.subscription)
    @rule(complete=st.sampled_from([True, True, False]), together=st.integers(1, 3))
    def receive(self, complete: bool, together: int) -> None:
        received = [self.subscription.popleft()]
        while complete and len(received) < together and self.subscription:
            if not self.subscription[0].position.follows(received[-1].position):
                break
            received.append(self.subscription.popleft())
        last = received[-1].position
        if complete and self.session.advance(received[0].position.before, last):
            for event in received:
                self.peer.receive(event)
        else:
            self.perform(self.session.event_published(last))

    @precondition(lambda self: self.question)
    @rule()
    def store_replies(self) -> None:
        assert self.question is not None
        self.reply, self.question = self.log.read(self.question.after), None

    @precondition(lambda self: self.reply)
    @rule()
    def reply_arrives(self) -> None:
        assert self.reply is not None
        reply, self.reply = self.reply, None
        self.perform(self.session.log_read(reply))

    # All faults are one rule, so that most steps are ordinary traffic, in which the races are.
    @rule(kind=st.sampled_from(FAULTS))
    def fail(self, kind: str) -> None:
        match kind:
            case "lose one" if len(self.subscription) > 1:
                # Only if a later event shows the gap. The last event is lost only if the subscription is cut.
                self.subscription.popleft()
            case "receive twice" if self.subscription:
                self.subscription.appendleft(self.subscription[0])
            case "cut":
                self.cut()
            case "restore" if not self.subscribed:
                self.restore()
            case "store is unavailable" if self.question and self.session.ready:
                self.question = None
                assert self.session.log_unavailable(retry_after_ms=1) == ()
                self.waiting_for_retry = True
            case "retry" if self.waiting_for_retry:
                self.retry()
            case "trim":
                self.log.trimmed = self.log.newest
            case "lose the log":
                self.start_a_new_log()
                self.cut()  # as when Redis restarts without its data
            case "flush":
                self.start_a_new_log()

    def start_a_new_log(self) -> None:
        self.log.epoch += 1
        self.log.newest = self.log.trimmed = 0
        self.publish()

    def cut(self) -> None:
        self.subscribed = False
        self.subscription.clear()

    def restore(self) -> None:
        self.subscribed = True
        self.perform(self.session.resync())

    def retry(self) -> None:
        self.waiting_for_retry = False
        self.perform(self.session.resync())

    @invariant()
    def peer_is_never_ahead(self) -> None:
        if self.peer.position is not None and self.peer.position.epoch == self.log.end.epoch:
            assert self.peer.position.offset <= self.log.newest

    def teardown(self) -> None:
        """Process everything that is pending: then the peer must be exactly at the end of the log, and live."""
        if self.waiting_for_retry:
            self.retry()
        if not self.subscribed:
            self.restore()
        for _ in range(1000):
            if self.reply:
                self.reply_arrives()
            elif self.question:
                self.store_replies()
            elif self.subscription:
                self.receive(complete=True, together=1)
            else:
                break
        assert self.peer.position == self.log.end
        assert self.session.state is SessionState.LIVE


StreamMachine.TestCase.settings = settings(max_examples=400, stateful_step_count=40, deadline=None)
TestStream = StreamMachine.TestCase
