"""A stub of Expo's push service (docs.expo.dev/push-notifications/sending-notifications).

`tickets` and `receipts` have the errors by device token. The receipts of other tokens are `ok`. A receipt is there at
once, because no test waits 15 minutes.
"""

import gzip
import itertools
import json
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.stubs.http_stub import HttpStub, Received, Reply

PREFIX = "/--/api/v2/push/"
MAX_MESSAGES = 100
MAX_RECEIPTS = 1000
MAX_BYTES = 4096

_TEXT, _NUMBER, _FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}

MESSAGE = Draft202012Validator(
    {
        "type": "object",
        "required": ["to"],
        "additionalProperties": False,
        "properties": {
            "to": {"type": ["string", "array"]},
            "data": {"type": "object"},
            "sound": {"type": ["string", "null", "object"]},
            "priority": {"enum": ["default", "normal", "high"]},
            "interruptionLevel": {"enum": ["active", "critical", "passive", "time-sensitive"]},
            "richContent": {"type": "object", "additionalProperties": False, "properties": {"image": _TEXT}},
            "relevanceScore": {"type": "number"},
            **dict.fromkeys(("title", "subtitle", "body", "channelId", "icon", "categoryId", "collapseId"), _TEXT),
            **dict.fromkeys(("tag", "threadId", "targetContentId", "filterCriteria"), _TEXT),
            **dict.fromkeys(("ttl", "expiration", "badge"), _NUMBER),
            **dict.fromkeys(("mutableContent", "contentAvailable", "_contentAvailable"), _FLAG),
        },
    }
)
"""The fields of a message, as the types of Expo's own SDK have them."""


def failure(code: str, token: str = "", text: str = "It failed.") -> dict[str, Any]:
    """Return a ticket or a receipt with an error."""
    details = {"error": code, **({"expoPushToken": token} if token else {})}
    return {"status": "error", "message": text, "details": details}


def error(status: int, code: str, details: Any = None) -> Reply:
    """Return the error of a whole request."""
    found = {"code": code, "message": "It failed.", "isTransient": status >= 500}
    return Reply(status, {"errors": [found if details is None else {**found, "details": details}]})


class ExpoStub(HttpStub):
    """Expo. With `access_token`, it is required. `projects` has the Expo project by token."""

    def __init__(self, access_token: str = "") -> None:
        super().__init__()
        self.access_token = access_token
        self.projects: dict[str, str] = {}
        self.tickets: dict[str, Any] = {}
        self.receipts: dict[str, Any] = {}
        self.missing: set[str] = set()
        """The tokens whose receipts are missing."""
        self.messages: list[dict[str, Any]] = []
        """What was accepted."""
        self._sent: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def reply(self, request: Received) -> Reply:
        """Return Expo's reply."""
        if self.access_token and request.headers.get("authorization") != f"Bearer {self.access_token}":
            return error(401, "UNAUTHORIZED")
        is_packed = request.headers.get("content-encoding") == "gzip" and request.body[:2] == b"\x1f\x8b"
        values = json.loads(gzip.decompress(request.body) if is_packed else request.body)
        if request.path == f"{PREFIX}send":
            return self._send(values if isinstance(values, list) else [values])
        if request.path == f"{PREFIX}getReceipts":
            return self._receipts(values["ids"])
        return error(404, "NOT_FOUND")

    def _send(self, messages: list[dict[str, Any]]) -> Reply:
        if len(messages) > MAX_MESSAGES:
            return error(400, "PUSH_TOO_MANY_NOTIFICATIONS")
        if any(fault for message in messages for fault in MESSAGE.iter_errors(message)):
            return error(400, "VALIDATION_ERROR")
        projects: dict[str, list[str]] = {}
        for message in messages:
            projects.setdefault(self.projects.get(message["to"], "@shop/app"), []).append(message["to"])
        if len(projects) > 1:
            return error(400, "PUSH_TOO_MANY_EXPERIENCE_IDS", projects)
        self.messages.extend(messages)
        return Reply(200, {"data": [self._ticket(message) for message in messages]})

    def _ticket(self, message: dict[str, Any]) -> dict[str, Any]:
        token = message["to"]
        if token in self.tickets:
            return dict(self.tickets[token])
        if not token.startswith(("ExponentPushToken[", "ExpoPushToken[")):
            return failure("DeviceNotRegistered", token)
        if len(json.dumps(message, ensure_ascii=False).encode()) > MAX_BYTES:
            return failure("MessageTooBig")
        receipt = f"00000000-0000-0000-0000-{next(self._numbers):012}"
        self._sent[receipt] = token
        return {"status": "ok", "id": receipt}

    def _receipts(self, ids: list[str]) -> Reply:
        if len(ids) > MAX_RECEIPTS:
            return error(400, "PUSH_TOO_MANY_RECEIPTS")
        found = {each: self._sent[each] for each in ids if each in self._sent}
        return Reply(
            200,
            {
                "data": {
                    each: self.receipts.get(token, {"status": "ok"})
                    for each, token in found.items()
                    if token not in self.missing
                }
            },
        )
