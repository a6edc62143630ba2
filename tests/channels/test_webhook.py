"""Outgoing webhooks: signatures that the Standard Webhooks library accepts, and the outcome of each response."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.channels.outcome import Dead, Delivered, Outcome, Retry, Scope, Throttled, Unknown
from gateway.channels.webhook import retry_after, send, signed_headers
from gateway.domain.outbound_errors import NoAnswerError, NotSentError, OutboundFailedError, OutboundRefusedError

ID = UUID("01924a7e-0000-8abc-8abc-0123456789ab")
OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
NOW = 1_800_000_000.75


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str] = {}


class StubHttp:
    """Returns or raises what a test wants, and keeps the last request."""

    def __init__(self, result: Answer | Exception):
        self.result = result
        self.sent: list[tuple[str, str, Mapping[str, str], bytes]] = []

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Answer:
        self.sent.append((method, url, headers, body))
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def test_the_published_vector_of_standard_webhooks_holds() -> None:
    sign = Webhook(OLD).sign
    moment = datetime.fromtimestamp(1614265330, UTC)
    assert (
        sign("msg_p5jXN8AQM9LWM0D4loKWxJek", moment, '{"test": 2432232314}')
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_a_signature_of_each_secret_verifies_and_no_other() -> None:
    body, now = '{"a":"ä"}'.encode(), datetime.now(UTC).timestamp()
    headers = signed_headers([NEW, OLD], ID, now, body)
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(body, headers) == {"a": "ä"}
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(body, signed_headers([NEW], ID, now, body))
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(body + b" ", headers)
    assert headers["webhook-id"] == str(ID)
    assert headers["webhook-timestamp"] == str(int(now))


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (Answer(200), Delivered()),
        (Answer(204), Delivered()),
        (Answer(302, {"location": "https://example.com"}), Retry("HTTP 302")),
        (Answer(404), Retry("HTTP 404")),
        (Answer(410), Dead("HTTP 410")),
        (Answer(429), Retry("HTTP 429")),
        (Answer(429, {"retry-after": "7"}), Throttled(7, Scope.DESTINATION, "HTTP 429")),
        (Answer(503, {"retry-after": "soon"}), Retry("HTTP 503")),
        (Answer(500, {"retry-after": "7"}), Retry("HTTP 500")),
        (NotSentError("secret host"), Retry("no connection")),
        (NoAnswerError("secret host"), Unknown("no complete response")),
        (OutboundFailedError("secret host"), Unknown("no complete response")),
        (OutboundRefusedError("secret host"), Retry("the address is not allowed")),
    ],
)
async def test_each_response_has_an_outcome(result: Answer | Exception, outcome: Outcome) -> None:
    http = StubHttp(result)
    sent = await send(http, "https://example.com/hook", [NEW], ID, NOW, b"{}")
    assert sent == (outcome, result.status if isinstance(result, Answer) else 0)
    ((method, url, headers, body),) = http.sent
    assert (method, url, body) == ("POST", "https://example.com/hook", b"{}")
    assert headers["content-type"] == "application/json"


async def test_nothing_is_sent_without_a_secret() -> None:
    http = StubHttp(Answer(200))
    outcome, status = await send(http, "https://example.com/hook", [], ID, NOW, b"{}")
    assert isinstance(outcome, Retry)
    assert (status, http.sent) == (0, [])


def test_a_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after(" 120 ", NOW) == 120
    assert retry_after("Fri, 15 Jan 2027 08:01:00 GMT", 1_800_000_000) == 60
    assert retry_after("Fri, 15 Jan 2027 07:00:00 GMT", 1_800_000_000) == 0
    assert retry_after("", NOW) is None
    assert retry_after("-1", NOW) is None
