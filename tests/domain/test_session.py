"""A session except for the order of its events: opening, messages, deadlines, closing."""

import msgspec
import pytest

from gateway.domain.effects import Authenticate, Close, Ping, ReadLog, Renew, Send
from gateway.domain.errors import CloseCode, Problem
from gateway.domain.event import Counts, Event, LogPage, Position
from gateway.domain.messages import CountsBody, Error, Pong, Ready, Renewed, Reset
from gateway.domain.principal import Credentials
from gateway.domain.session import Session, SessionLimits, SessionState

LIMITS = SessionLimits(heartbeat_seconds=20, authentication_seconds=10, max_messages_per_minute=5)
KEY = Credentials(api_key="k", external_id="joe")
END = Position("e", 3)
COUNTS = Counts(4, 3, 2, 1)


def new_session(state: SessionState = SessionState.CONNECTING, expires_at: int | None = None) -> Session:
    session = Session("c1", LIMITS, now=100)
    if state is not SessionState.CONNECTING:
        session.credentials_found(KEY, None)
    if state in (SessionState.REPLAYING, SessionState.LIVE):
        session.authenticated(expires_at)
    if state is SessionState.LIVE:
        session.log_read(LogPage(END, COUNTS))
    assert session.state is state
    return session


def test_credentials_of_the_request_are_verified_at_once() -> None:
    assert Session("c", LIMITS, 0).credentials_found(KEY, None) == (Authenticate(KEY),)


def test_without_credentials_it_waits_for_a_message() -> None:
    session = Session("c", LIMITS, 0)
    assert session.credentials_found(Credentials(), None) == ()
    assert session.state is SessionState.CONNECTING


def test_the_first_message_may_have_credentials_and_a_position() -> None:
    session = new_session()
    message = b'{"type":"auth","api_key":"k","user_external_id":"joe","since":"e.2"}'
    assert session.message_received(message, now=101) == (Authenticate(KEY),)
    assert session.authenticated(None) == (ReadLog(Position("e", 2)),)


def test_the_position_of_the_request_applies_when_credentials_follow_in_a_message() -> None:
    session = Session("c", LIMITS, 0)
    session.credentials_found(Credentials(), "e.2")
    session.message_received(b'{"type":"auth","token":"t"}', now=1)
    assert session.authenticated(None) == (ReadLog(Position("e", 2)),)


def test_an_auth_message_without_credentials_is_an_error() -> None:
    session = new_session()
    assert session.message_received(b'{"type":"auth"}', 101) == (
        Send((Error("invalid_message", "auth brings no credentials"),)),
    )


def test_a_second_auth_while_the_first_is_verified_is_an_error() -> None:
    session = new_session(SessionState.AUTHENTICATING)
    assert session.message_received(b'{"type":"auth","token":"t"}', 101) == (
        Send((Error("invalid_message", "authentication is under way"),)),
    )


def test_without_a_position_the_log_is_read_from_its_end() -> None:
    assert new_session(SessionState.AUTHENTICATING).authenticated(None) == (ReadLog(None),)


def test_an_invalid_position_reads_from_one_that_no_log_has() -> None:
    session = Session("c", LIMITS, 0)
    session.credentials_found(KEY, "what?")
    assert session.authenticated(None) == (ReadLog(Position("", -1)),)


def test_ready_has_the_start_of_the_stream_and_the_counts() -> None:
    session = new_session(SessionState.REPLAYING)
    ready = Ready("e.3", "c1", 4, 3, CountsBody(2, 1), 20)
    assert session.log_read(LogPage(END, COUNTS)) == (Send((ready,)),)


def test_a_resuming_stream_starts_at_the_clients_own_position() -> None:
    session = new_session(SessionState.REPLAYING)
    session.since = "e.2"
    missed = (Event(Position("e", 3), 0, "n", b"{}"),)
    (send,) = session.log_read(LogPage(END, COUNTS, missed))
    assert isinstance(send, Send)
    assert isinstance(send.messages[0], Ready)
    assert send.messages[0].position == "e.2"
    assert send.messages[1:] == missed


def test_a_reset_follows_ready_when_the_position_is_lost() -> None:
    session = new_session(SessionState.REPLAYING)
    (send,) = session.log_read(LogPage(END, COUNTS, reset_reason="position_expired"))
    assert isinstance(send, Send)
    assert send.messages[1] == Reset("e.3", "position_expired", 4, 3, CountsBody(2, 1))
    assert session.state is SessionState.LIVE


def test_a_live_session_advances_over_the_events_that_are_next() -> None:
    session = new_session(SessionState.LIVE)
    assert session.advance(END, Position("e", 5))
    assert session.position == Position("e", 5)


@pytest.mark.parametrize("before", [Position("e", 2), Position("e", 4), Position("f", 3)])
def test_a_session_does_not_advance_over_any_other_events(before: Position) -> None:
    session = new_session(SessionState.LIVE)
    assert not session.advance(before, Position(before.epoch, before.offset + 1))
    assert session.position == END


@pytest.mark.parametrize("state", [state for state in SessionState if state is not SessionState.LIVE])
def test_only_a_live_session_advances(state: SessionState) -> None:
    session = new_session(SessionState.LIVE)
    session.state = state
    assert not session.advance(END, Position("e", 4))
    assert session.position == END


@pytest.mark.parametrize("offset", [1, 3])
def test_an_event_that_was_sent_before_is_not_read_again(offset: int) -> None:
    session = new_session(SessionState.LIVE)
    assert session.event_published(Position("e", offset)) == ()
    assert session.state is SessionState.LIVE


@pytest.mark.parametrize("position", [Position("e", 4), Position("e", 5), Position("f", 4)])
def test_an_event_that_could_not_be_delivered_is_read_from_the_log(position: Position) -> None:
    session = new_session(SessionState.LIVE)
    assert session.event_published(position) == (ReadLog(END),)
    assert session.state is SessionState.REPLAYING


def test_an_event_published_during_a_read_makes_the_session_read_again() -> None:
    session = new_session(SessionState.REPLAYING)
    assert session.event_published(Position("e", 4)) == ()
    assert session.log_read(LogPage(END, COUNTS))[-1] == ReadLog(END)


def test_a_session_that_is_not_open_ends_when_the_log_is_unavailable() -> None:
    session = new_session(SessionState.REPLAYING)
    assert session.log_unavailable(700) == (Close(CloseCode.TRY_AGAIN_LATER, 700),)


def test_a_refusal_has_its_problem() -> None:
    problem = Problem("wrong", "user_hmac_is_incorrect")
    session = new_session(SessionState.AUTHENTICATING)
    assert session.refused(CloseCode.UNAUTHORIZED, problem) == (Close(CloseCode.UNAUTHORIZED, None, problem),)
    assert session.closed


def test_a_ping_gets_a_pong() -> None:
    assert new_session(SessionState.LIVE).message_received('{"type":"ping"}', 101) == (Send((Pong(),)),)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"type":"x"}', b'{"type":"auth","token":1}', b"\xff"])
def test_an_invalid_message_gets_an_error_and_changes_nothing(data: bytes) -> None:
    session = new_session(SessionState.LIVE)
    (send,) = session.message_received(data, 101)
    assert isinstance(send, Send)
    assert isinstance(send.messages[0], Error)
    assert send.messages[0].code == "invalid_message"
    assert session.state is SessionState.LIVE


def test_auth_on_an_open_session_renews() -> None:
    session = new_session(SessionState.LIVE)
    assert session.message_received(b'{"type":"auth","token":"t"}', 101) == (Renew(Credentials(token="t")),)
    assert session.renewed(2000) == (Send((Renewed(2000),)),)
    assert session.token_expires_at == 2000


def test_a_refused_renewal_leaves_the_session_open() -> None:
    session = new_session(SessionState.LIVE)
    assert session.renewal_refused(Problem("no", "token_expired")) == (Send((Error("token_expired", "no"),)),)
    assert session.state is SessionState.LIVE


def test_too_many_messages_in_a_minute_end_the_session() -> None:
    session = new_session(SessionState.LIVE)
    for _ in range(5):
        assert session.message_received(b'{"type":"ping"}', 110) == (Send((Pong(),)),)
    assert session.message_received(b'{"type":"ping"}', 110) == (Close(CloseCode.TOO_MANY_MESSAGES),)


def test_each_minute_has_its_own_count() -> None:
    session = new_session(SessionState.LIVE)
    for now in (100, 100, 100, 100, 100, 160):
        assert session.message_received(b'{"type":"ping"}', now) == (Send((Pong(),)),)


def test_activity_that_is_not_counted_still_shows_that_the_peer_is_connected() -> None:
    session = new_session(SessionState.LIVE)
    for _ in range(10):
        assert session.record_activity(110, counted=False) == ()
    assert session.active_at == 110


def test_a_session_without_credentials_in_time_ends() -> None:
    session = new_session()
    assert session.next_deadline(100, 0) == 110
    assert session.tick(109, 0, responds_to_heartbeats=True) == ()
    assert session.tick(110, 0, responds_to_heartbeats=True) == (Close(CloseCode.AUTHENTICATION_TIMEOUT),)


def test_a_heartbeat_is_due_once_per_interval() -> None:
    session = new_session(SessionState.LIVE)
    assert session.tick(120, 0, responds_to_heartbeats=True) == (Ping(),)
    assert session.next_deadline(120, 0) == 140


def test_nothing_is_written_before_ready() -> None:
    assert new_session(SessionState.REPLAYING).tick(120, 0, responds_to_heartbeats=True) == ()


def test_a_peer_that_is_silent_for_two_and_a_half_heartbeats_is_disconnected() -> None:
    session = new_session(SessionState.LIVE)
    assert session.tick(149, 0, responds_to_heartbeats=True) == (Ping(),)
    assert session.tick(150, 0, responds_to_heartbeats=True) == (Close(CloseCode.HEARTBEAT_TIMEOUT, 0),)


def test_the_silence_of_a_transport_without_responses_does_not_count() -> None:
    assert new_session(SessionState.LIVE).tick(1000, 0, responds_to_heartbeats=False) == (Ping(),)


def test_a_session_ends_when_its_token_expires() -> None:
    session = new_session(SessionState.LIVE, expires_at=5000)
    assert session.next_deadline(101, 4990) == 111
    assert session.tick(111, 5000, responds_to_heartbeats=True) == (Close(CloseCode.TOKEN_EXPIRED),)


def test_an_overdue_expiry_is_due_now() -> None:
    assert new_session(SessionState.LIVE, expires_at=5000).next_deadline(101, 6000) == 101


def test_a_closed_session_does_nothing_more() -> None:
    session = new_session(SessionState.LIVE)
    assert session.close(CloseCode.DRAINING, 500) == (Close(CloseCode.DRAINING, 500),)
    assert session.close(CloseCode.DRAINING) == ()
    assert session.tick(1000, 0, responds_to_heartbeats=True) == ()
    assert session.resync() == ()
    assert session.authenticated(None) == ()
    assert session.renewed(5000) == ()
    assert session.renewal_refused(Problem("no")) == ()
    assert session.log_read(LogPage(END, COUNTS)) == ()
    assert session.message_received(b'{"type":"ping"}', 101) == ()
    assert not session.advance(END, Position("e", 4))
    assert session.event_published(Position("e", 4)) == ()


def test_a_session_whose_connection_is_lost_is_closed() -> None:
    session = new_session(SessionState.LIVE)
    session.disconnected()
    assert session.closed


def test_messages_carry_their_type_first() -> None:
    assert msgspec.json.encode(Pong()) == b'{"type":"pong"}'


def test_an_event_of_a_new_epoch_published_during_a_read_makes_the_session_read_again() -> None:
    session = new_session(SessionState.REPLAYING)
    assert session.event_published(Position("f", 1)) == ()
    assert session.log_read(LogPage(END, COUNTS))[-1] == ReadLog(END)


def test_a_session_ends_when_its_project_no_longer_accepts_the_credential() -> None:
    session = new_session(SessionState.LIVE, expires_at=1000)
    session.set_credential_expiry(990)
    assert session.next_deadline(100, 980) == 110
    assert session.tick(100, 989, responds_to_heartbeats=False) == (Ping(),)
    assert session.tick(100, 990, responds_to_heartbeats=False) == (Close(CloseCode.CREDENTIALS_ROTATED),)


def test_a_token_that_expires_before_the_secret_that_signed_it_has_expired() -> None:
    session = new_session(SessionState.LIVE, expires_at=990)
    session.set_credential_expiry(1000)
    assert session.next_deadline(100, 980) == 110
    assert session.tick(100, 1000, responds_to_heartbeats=False) == (Close(CloseCode.TOKEN_EXPIRED),)
