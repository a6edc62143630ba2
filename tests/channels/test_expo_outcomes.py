"""Each error, ticket and receipt of Expo has its outcome."""

import json
from typing import Any

import pytest

from gateway.channels.expo_outcomes import (
    DEVICE_PAUSE_SECONDS,
    LANE_PAUSE_SECONDS,
    RECEIPT_SECONDS,
    receipt_outcome,
    request_outcome,
    ticket_outcome,
)
from gateway.channels.outcome import (
    Dead,
    Delivered,
    Handed,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Scope,
    Throttled,
    Unknown,
)
from gateway.channels.provider import Answer
from tests.stubs.expo import error, failure
from tests.stubs.http_stub import Reply

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(200, {"data": []}), None),
        (error(200, "UNAUTHORIZED"), Misconfigured("UNAUTHORIZED")),
        (error(401, "UNAUTHORIZED"), Misconfigured("UNAUTHORIZED")),
        (Reply(403, "no"), Misconfigured("HTTP 403")),
        (
            error(400, "PUSH_TOO_MANY_EXPERIENCE_IDS"),
            Misconfigured("PUSH_TOO_MANY_EXPERIENCE_IDS", is_doubted=True),
        ),
        (error(429, "TOO_MANY_REQUESTS"), Throttled(LANE_PAUSE_SECONDS, Scope.LANE, "TOO_MANY_REQUESTS")),
        (error(400, "TOO_MANY_REQUESTS"), Throttled(LANE_PAUSE_SECONDS, Scope.LANE, "TOO_MANY_REQUESTS")),
        (Reply(429, "", {"retry-after": "7"}), Throttled(7, Scope.LANE, "HTTP 429")),
        (Reply(504, "<html>"), Retry("HTTP 504")),
        (Reply(503, "", {"retry-after": "7"}), Retry("HTTP 503", 7)),
        (error(500, "INTERNAL_SERVER_ERROR"), Retry("INTERNAL_SERVER_ERROR")),
        (Reply(302, ""), Retry("HTTP 302")),
        (error(400, "VALIDATION_ERROR"), Refused("VALIDATION_ERROR")),
        (error(400, "a text of the message"), Refused("HTTP 400")),
        (Reply(413, []), Refused("HTTP 413")),
    ],
)
def test_an_error_of_a_request_has_its_outcome(reply: Reply, outcome: Outcome | None) -> None:
    body = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
    assert request_outcome(Answer(reply.status, reply.headers, body), NOW) == outcome


FAILURES: list[tuple[Any, Outcome]] = [
    (failure("DeviceNotRegistered"), Dead("DeviceNotRegistered")),
    (failure("MessageTooBig"), Refused("MessageTooBig")),
    (failure("DeveloperError"), Refused("DeveloperError")),
    (
        failure("MessageRateExceeded"),
        Throttled(DEVICE_PAUSE_SECONDS, Scope.DESTINATION, "MessageRateExceeded"),
    ),
    (failure("InvalidCredentials"), Misconfigured("InvalidCredentials", is_doubted=True)),
    (failure("MismatchSenderId"), Misconfigured("MismatchSenderId", is_doubted=True)),
    (failure("ExpoError"), Retry("ExpoError")),
    (failure("ProviderError"), Retry("ProviderError")),
    (failure("a text, with the token"), Refused("error")),
    ({"status": "error"}, Refused("error")),
]


@pytest.mark.parametrize(
    ("ticket", "outcome"),
    [
        ({"status": "ok", "id": "r-1"}, Handed("r-1", RECEIPT_SECONDS)),
        *FAILURES,
        ({"status": "ok"}, Unknown("no ticket")),
        (None, Unknown("no ticket")),
    ],
)
def test_a_ticket_has_its_outcome(ticket: Any, outcome: Outcome) -> None:
    assert ticket_outcome(ticket) == outcome


@pytest.mark.parametrize(
    ("receipt", "outcome"), [({"status": "ok"}, Delivered()), *FAILURES, (None, Unknown("no receipt"))]
)
def test_a_receipt_has_its_outcome_and_a_missing_one_is_unknown(receipt: Any, outcome: Outcome) -> None:
    assert receipt_outcome(receipt) == outcome
