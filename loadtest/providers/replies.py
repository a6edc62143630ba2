"""The responses of providers, as their documentation shows them: accepted, throttled, failing, dead, misconfigured."""

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loadtest.providers.server import ProviderRequest, response

_numbers = itertools.count(1)


@dataclass(frozen=True)
class ProviderKind:
    """A provider: which requests are its own, and its responses to them. `dead` is b"" if it has no dead tokens."""

    name: str
    """Its name in INBOX_PROVIDER_URLS."""
    path: "re.Pattern[str]"
    accepted: Callable[[], bytes]
    dead: bytes
    misconfigured: bytes
    repeats_unknown: bool = True
    """Whether a request without a response may be repeated."""


def _json(status: int, content: Any, **headers: str) -> bytes:
    return response(status, json.dumps(content).encode(), **headers)


def _fcm_error(status: int, code: str, word: str) -> bytes:
    details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}]
    return _json(status, {"error": {"code": status, "status": word, "message": code, "details": details}})


FCM = ProviderKind(
    "fcm",
    re.compile(r"/v1/projects/[^/]+/messages:send"),
    lambda: _json(200, {"name": f"projects/p/messages/{next(_numbers)}"}),
    _fcm_error(404, "UNREGISTERED", "NOT_FOUND"),
    _fcm_error(401, "THIRD_PARTY_AUTH_ERROR", "UNAUTHENTICATED"),
)

SENDGRID = ProviderKind(
    "sendgrid",
    re.compile(r"/v3/mail/send"),
    lambda: response(202, X_Message_Id=f"message-{next(_numbers)}"),
    b"",
    _json(401, {"errors": [{"message": "The provided authorization grant is invalid", "field": None, "help": None}]}),
)

TWILIO = ProviderKind(
    "twilio",
    re.compile(r"/2010-04-01/Accounts/[^/]+/Messages\.json"),
    lambda: _json(201, {"sid": f"SM{next(_numbers):032x}", "status": "queued"}),
    _json(400, {"code": 21610, "message": "Attempt to send to unsubscribed recipient", "status": 400}),
    _json(401, {"code": 20003, "message": "Authenticate", "status": 401}),
    repeats_unknown=False,
)

SLACK = ProviderKind(
    "slack",
    re.compile(r"/services/.+"),
    lambda: response(200, b"ok"),
    response(404, b"no_service"),
    response(403, b"action_prohibited"),
    repeats_unknown=False,
)

WEBHOOKS = ProviderKind(
    "webhooks",
    re.compile(r"/hooks/.+"),
    lambda: response(204),
    b"",
    response(401),
)

ACCESS_TOKEN = re.compile(r"/token")
"""Where FCM's access tokens are requested."""

TWILIO_RECEIPT = re.compile(r"/2010-04-01/Accounts/[^/]+/Messages/[^/]+\.json")
"""Where the result of a text message is asked for."""

KINDS = (FCM, SENDGRID, TWILIO, SLACK, WEBHOOKS)
PROVIDERS_WITH_URLS = (FCM, SENDGRID, TWILIO)
"""Those whose addresses are not the user's own."""


def access_token(scope: str = "") -> bytes:
    """Return a response with a new access token, whose text begins with `scope`."""
    content = {"access_token": f"{scope}.{next(_numbers)}", "expires_in": 3600, "token_type": "Bearer"}
    return _json(200, content)


def sms_receipt() -> bytes:
    """Return a response that says that a text message was delivered."""
    return _json(200, {"status": "delivered"})


def kind_of(request: ProviderRequest) -> ProviderKind | None:
    """Return the provider that a request is for, None for any other request."""
    path = request.path.partition("?")[0]
    return next((kind for kind in KINDS if kind.path.fullmatch(path)), None)


def throttled(seconds: int) -> bytes:
    """Return a response that allows another request after some seconds."""
    return _json(429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, Retry_After=str(seconds))


def failing(status: int) -> bytes:
    """Return a response of a server that fails."""
    return response(status, b"{}")
