"""The attempts that providers receive, by delivery."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from loadtest.providers import replies
from loadtest.providers.replies import ProviderKind
from loadtest.providers.server import ProviderRequest, Reply

_MARK = re.compile(r"mark-(\w+)-\d+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def mark_of(project: str, number: int) -> str:
    """Return the title of a notification of a project."""
    return f"mark-{project}-{number}"


class Result(Enum):
    """What the provider made of an attempt."""

    ACCEPTED = "accepted"
    UNANSWERED = "unanswered"
    """The request arrived, and no whole response was sent: the message may have reached the user."""
    REJECTED = "rejected"
    """The message is not delivered. Another attempt may succeed."""
    DEAD = "dead"
    MISCONFIGURED = "misconfigured"


class DeliveryKey(NamedTuple):
    """One delivery: a notification, by its mark, to one destination of a provider."""

    mark: str
    provider: str
    destination: str

    def __str__(self) -> str:
        return f"{self.mark} by {self.provider}"


@dataclass
class Attempt:
    """A request of a delivery. `ids` are all UUIDs in it; `at` is monotonic seconds."""

    at: float
    ids: frozenset[str]
    result: Result = Result.UNANSWERED


class Addressed(NamedTuple):
    """The project whose credentials a request has, and its destination."""

    project: str
    destination: str


def _fcm(request: ProviderRequest) -> Addressed:
    return Addressed(request.path.split("/")[3], json.loads(request.body)["message"]["token"])


def _sendgrid(request: ProviderRequest) -> Addressed:
    (personalization,) = json.loads(request.body)["personalizations"]
    return Addressed(request.headers["authorization"].removeprefix("Bearer "), personalization["to"][0]["email"])


def _twilio(request: ProviderRequest) -> Addressed:
    return Addressed(request.path.split("/")[3], parse_qs(request.body.decode())["To"][0])


def _by_path(request: ProviderRequest) -> Addressed:
    _, _, project, *rest = request.path.split("/")
    return Addressed(project, "/".join(rest))


_READERS: Mapping[str, Callable[[ProviderRequest], Addressed]] = {
    replies.FCM.name: _fcm,
    replies.SENDGRID.name: _sendgrid,
    replies.TWILIO.name: _twilio,
    replies.SLACK.name: _by_path,
    replies.WEBHOOKS.name: _by_path,
}


def addressed(kind: ProviderKind, request: ProviderRequest) -> Addressed:
    """Return whom a request is for. Raise KeyError, ValueError or IndexError for a request of another form."""
    return _READERS[kind.name](request)


class AttemptJournal:
    """All attempts since the last `clear`."""

    def __init__(self) -> None:
        self.attempts: dict[DeliveryKey, list[Attempt]] = defaultdict(list)
        self.strays: list[str] = []
        """Requests with the credentials of one project and the mark of another, and those without a mark."""

    def clear(self) -> None:
        """Forget everything."""
        self.attempts.clear()
        self.strays.clear()

    def key_of(self, kind: ProviderKind, request: ProviderRequest) -> DeliveryKey | None:
        """Return the delivery of a request, None for a request that belongs to none, which is recorded."""
        found = _MARK.search(unquote(request.body.decode(errors="replace")))
        try:
            project, destination = addressed(kind, request)
        except (KeyError, ValueError, IndexError) as problem:
            self.strays.append(f"{kind.name}: {type(problem).__name__}: {problem}")
            return None
        if found is None or found[1] != project:
            self.strays.append(f"{kind.name}: {found and found[0]} with the credentials of {project}")
            return None
        return DeliveryKey(found[0], kind.name, destination)

    def record(self, key: DeliveryKey, request: ProviderRequest) -> Attempt:
        """Record an attempt that is not answered yet, and return it."""
        text = " ".join([request.path, *request.headers.values(), unquote(request.body.decode(errors="replace"))])
        attempt = Attempt(request.arrived, frozenset(_UUID.findall(text)))
        self.attempts[key].append(attempt)
        return attempt


def result_of(reply: Reply, kind: ProviderKind) -> Result:
    """Return what a reply means."""
    if not reply.is_complete:
        return Result.UNANSWERED
    if reply.data in (kind.dead, kind.misconfigured):
        return Result.DEAD if reply.data == kind.dead else Result.MISCONFIGURED
    return Result.ACCEPTED if reply.data[9:10] == b"2" else Result.REJECTED
