"""Outgoing webhooks: sends a signed message to an endpoint of a project, as https://www.standardwebhooks.com specifies.

`webhook-id` is the same at every attempt, so that the receiver can tell a repetition. `webhook-timestamp` is the second
of the attempt. `webhook-signature` has a signature for each secret: during a rotation there are two.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol
from uuid import UUID

from gateway.channels.outcome import Dead, Delivered, Outcome, Retry, Scope, Throttled, Unknown
from gateway.domain.outbound_errors import NotSentError, OutboundError, OutboundRefusedError

SECONDS = 10.0
"""The time limit of one attempt. A receiver should answer first and work afterwards."""

OK, REDIRECT = 200, 300
GONE = 410
_PAUSING = (429, 503)
"""The statuses whose `Retry-After` is followed, without spending an attempt."""

USER_AGENT = "inbox-gateway"


class Response(Protocol):
    """A response. The names of headers are in lower case."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""


class Http(Protocol):
    """An HTTP client that checks addresses and follows no redirects. It raises OutboundError."""

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Response:
        """Send a request and return its response, whatever its status."""


class Sent(NamedTuple):
    """The outcome of an attempt, and the status of the response, 0 for none."""

    outcome: Outcome
    status: int


def signed_headers(secrets: Sequence[str], message_id: UUID, now: float, body: bytes) -> dict[str, str]:
    """Return the headers of a message that is sent at a unix second, with a signature for each secret."""
    from standardwebhooks import Webhook

    moment, text = datetime.fromtimestamp(int(now), UTC), body.decode()
    signatures = [Webhook(secret).sign(str(message_id), moment, text) for secret in secrets]
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": str(message_id),
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(signatures),
    }


async def send(
    http: Http,
    url: str,
    secrets: Sequence[str],
    message_id: UUID,
    now: float,
    body: bytes,
    more_headers: Mapping[str, str] = MappingProxyType({}),
) -> Sent:
    """Send a message once, and return what became of it. Only 2xx is a success; a redirect is not followed."""
    if not secrets:
        return Sent(Retry("the signing secret cannot be decrypted: rotate it"), 0)
    headers = {**signed_headers(secrets, message_id, now, body), **more_headers}
    try:
        response = await http.request("POST", url, headers=headers, body=body, seconds=SECONDS)
    except OutboundRefusedError:
        return Sent(Retry("the address is not allowed"), 0)
    except NotSentError:
        return Sent(Retry("no connection"), 0)
    except OutboundError:
        return Sent(Unknown("no complete response"), 0)
    return Sent(_outcome(response, now), response.status)


def _outcome(response: Response, now: float) -> Outcome:
    status = response.status
    if OK <= status < REDIRECT:
        return Delivered()
    reason = f"HTTP {status}"
    if status == GONE:
        return Dead(reason)
    after = retry_after(response.headers.get("retry-after", ""), now) if status in _PAUSING else None
    return Retry(reason) if after is None else Throttled(after, Scope.DESTINATION, reason)


def retry_after(text: str, now: float) -> float | None:
    """Return the seconds that a `Retry-After` asks for (RFC 9110, 10.2.3), None if it is absent or not valid."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)
