"""Each error of FCM has its outcome, by its code and not by its text (complaints 4 and 6)."""

import json

import pytest

from gateway.channels.fcm_outcomes import INTERNAL_SECONDS, QUOTA_SECONDS, outcome_of
from gateway.channels.outcome import Dead, Delivered, Misconfigured, Outcome, Refused, Retry, Scope, Throttled
from gateway.channels.provider import Answer
from tests.stubs.fcm import UNREGISTERED, error
from tests.stubs.http_stub import Reply

NOW = 1_800_000_000.0
AFTER = {"retry-after": "37"}


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(200, {"name": "projects/x/messages/1"}), Delivered("projects/x/messages/1")),
        (Reply(200, "nonsense"), Delivered("")),
        (UNREGISTERED, Dead("UNREGISTERED")),
        (error(404, "NOT_FOUND", "UNREGISTERED", text="Any other sentence."), Dead("UNREGISTERED")),
        (error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.token"), Dead("INVALID_ARGUMENT")),
        (error(400, "INVALID_ARGUMENT", "", "message.token"), Dead("INVALID_ARGUMENT")),
        (error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), Dead("SENDER_ID_MISMATCH")),
        (error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"), Refused("INVALID_ARGUMENT")),
        (error(400, "INVALID_ARGUMENT", "", "message.data"), Refused("INVALID_ARGUMENT")),
        (
            error(400, "INVALID_ARGUMENT", text="The registration token is not a valid FCM registration token"),
            Refused("INVALID_ARGUMENT"),
        ),
        (error(404, "NOT_FOUND"), Refused("NOT_FOUND")),
        (Reply(404, "<html>"), Misconfigured("HTTP 404")),
        (
            error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
            Misconfigured("THIRD_PARTY_AUTH_ERROR", is_doubted=True),
        ),
        (error(401, "UNAUTHENTICATED"), Misconfigured("UNAUTHENTICATED")),
        (error(403, "PERMISSION_DENIED"), Misconfigured("PERMISSION_DENIED")),
        (
            error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", headers=AFTER),
            Throttled(37, Scope.LANE, "QUOTA_EXCEEDED"),
        ),
        (error(429, "RESOURCE_EXHAUSTED"), Throttled(QUOTA_SECONDS, Scope.LANE, "RESOURCE_EXHAUSTED")),
        (Reply(429, "slow"), Throttled(QUOTA_SECONDS, Scope.LANE, "HTTP 429")),
        (error(503, "UNAVAILABLE", "UNAVAILABLE", headers=AFTER), Throttled(37, Scope.LANE, "UNAVAILABLE")),
        (error(503, "UNAVAILABLE", "UNAVAILABLE"), Retry("UNAVAILABLE", INTERNAL_SECONDS)),
        (error(500, "INTERNAL", "INTERNAL"), Retry("INTERNAL", INTERNAL_SECONDS)),
        (error(500, "INTERNAL", "INTERNAL", headers=AFTER), Retry("INTERNAL", 37)),
        (Reply(502, "<html>Bad Gateway"), Retry("HTTP 502", INTERNAL_SECONDS)),
        (Reply(302, ""), Retry("HTTP 302")),
        (Reply(413, ""), Refused("HTTP 413")),
        (Reply(400, []), Refused("HTTP 400")),
        (Reply(400, {"error": 7}), Refused("HTTP 400")),
        (Reply(400, {"error": {"details": 7}}), Refused("HTTP 400")),
        (Reply(400, {"error": {"status": "a text of the message"}}), Refused("HTTP 400")),
        (
            Reply(400, {"error": {"status": "X_Y", "details": [7, {"fieldViolations": 7}, {"fieldViolations": [7]}]}}),
            Refused("X_Y"),
        ),
    ],
)
def test_an_error_has_its_outcome(reply: Reply, outcome: Outcome) -> None:
    body = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
    assert outcome_of(Answer(reply.status, reply.headers, body), NOW) == outcome
