"""Adapters of providers: what the delivery engine knows about one, and what it hands to it.

A file of this package that can send declares `PROVIDER = Provider(...)`, and `registry.py` lists it. An adapter imports
no store and opens no connection of its own choice: it sends through its `Links`.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol

from gateway.channels.integration_kind import InstallationKind, IntegrationKind
from gateway.channels.message import Message
from gateway.channels.outcome import Outcome
from gateway.channels.token_kind import TokenKind
from gateway.domain.preferences import Channel


class Answer(NamedTuple):
    """A response of a provider. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Links(Protocol):
    """How an adapter reaches its provider. Every method is bound to one provider.

    Requests raise the errors of `domain/outbound_errors.py`: NotSentError if nothing has reached the provider,
    NoAnswerError if the request was sent, and OutboundRefusedError if the address is not allowed.
    """

    def now(self) -> float:
        """Return the unix time in seconds."""

    def base_url(self, default: str) -> str:
        """Return the base address of the provider, without a slash at the end: `default`, unless
        INBOX_PROVIDER_URLS has another one for this provider."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float | None = None,
        pool: str = "",
        tenants: bool = False,
    ) -> Answer:
        """Send a request over HTTP/1.1, or over HTTP/2 if the provider has `http2`, and return its response.

        With HTTP/2, requests share connections if they have the same `pool`: one for each credential.
        Redirects are not followed. A URL is checked unless it is below an address that the operator has set. With
        `tenants`, the URL is one that the tenant chose, and is checked in any case.
        """

    async def connect(self, host: str, port: int, *, seconds: float | None = None) -> socket.socket:
        """Return a socket that is connected over TCP to a host that the tenant chose, for protocols other than HTTP.

        The addresses of the host are checked, and the socket is connected to one that was checked. It does not block.
        The caller closes it. Raises NotSentError and OutboundRefusedError.
        """

    def tls(self) -> ssl.SSLContext:
        """Return the context for TLS on such a socket. It trusts the authorities of the system, and those of
        INBOX_PROVIDER_CA_FILE."""

    def memo(self, key: str) -> dict[str, Any]:
        """Return a dictionary for what is cached by this key, such as an access token. It may be emptied.

        A value with a method `close` is closed at the end of the process.
        """

    def contact(self) -> str:
        """Return where push services reach the operator, a `mailto:` or `https:` URL: INBOX_PUSH_CONTACT, otherwise
        INBOX_PUBLIC_URL, "" without either."""

    def report_url(self, message: Message) -> str:
        """Return the address at which the provider shall report that it has news of a message: the gateway then asks
        for `receipt`. "" if providers cannot reach the gateway."""

    async def installation(self, message: Message, kind: InstallationKind, place: str) -> Mapping[str, Any] | None:
        """Return what the user of a message has installed, with its secrets, None if there is none.

        `place` is what `kind.place` returns for it.
        """

    async def replace_installation(
        self,
        message: Message,
        kind: InstallationKind,
        place: str,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> bool:
        """Save an installation that the provider has renewed. Return False if it is no longer as `before`."""


class Schedule(Enum):
    """When failed attempts are repeated: within 30 minutes, or over more than a day."""

    PROMPT = "prompt"
    PATIENT = "patient"


class Rate(NamedTuple):
    """At most `per_second` messages on average, and `burst` at once."""

    per_second: float
    burst: int


Deliver = Callable[[Sequence[Message], Links], Awaitable[Sequence[Outcome]]]
"""Sends messages of one project and one configuration, at most `batch` of them, and returns their outcomes in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What the engine knows about a provider.

    - `name` is the key in `overrides.providers`, INBOX_PROVIDER_URLS, metrics and the trace.
    - `integration` is the configuration that it needs, None for none. With `optional_integration`, it sends without one
      as well. `tokens` are the kinds of tokens that it serves, () if it sends to an address of the user (email or phone
      numbers).
    - `deliver` sends. `receipt` asks what became of a message that was `Handed`.
    - `check` verifies the configuration with the provider, without sending anything; it returns the fault, "" for none.
    - `destination_key` returns what identifies the destination of a message if it has a rate of its own.
    - `repeats_unknown`: whether a message is sent again if its outcome is unknown.
    - `seconds` is the time limit of one attempt.
    """

    name: str
    channel: Channel
    deliver: Deliver
    integration: IntegrationKind | None = None
    optional_integration: bool = False
    tokens: tuple[TokenKind, ...] = ()
    batch: int = 1
    schedule: Schedule = Schedule.PROMPT
    repeats_unknown: bool = True
    lane_rate: Rate | None = None
    destination_rate: Rate | None = None
    destination_key: Callable[[Message], str] | None = None
    receipt: Callable[[Message, str, Links], Awaitable[Outcome]] | None = None
    check: Callable[[Mapping[str, Any], Links], Awaitable[str]] | None = None
    http2: bool = False
    seconds: float = 10.0


def one_by_one(deliver: Callable[[Message, Links], Awaitable[Outcome]]) -> Deliver:
    """Return the `deliver` of a provider that takes one message a request."""

    async def deliver_each(messages: Sequence[Message], links: Links) -> Sequence[Outcome]:
        return [await deliver(message, links) for message in messages]

    return deliver_each
