"""What a response of FCM means for a push (firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode).

`FcmError` in the details has the code that counts. The text beside it is for people, and changes: an adapter that looks
for one sentence keeps dead tokens when it does.
"""

import re
from typing import Any, NamedTuple

import msgspec

from gateway.channels.outcome import (
    MAX_REASON,
    Dead,
    Delivered,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Scope,
    Throttled,
)
from gateway.channels.provider import Answer
from gateway.channels.retry_after import retry_after

QUOTA_SECONDS = 60.0
"""How long nothing is sent after a 429 without Retry-After. Quotas are per minute (…/cloud-messaging/throttling)."""

INTERNAL_SECONDS = 10.0
"""The least wait after a failure of FCM's (…/cloud-messaging/scale-fcm)."""

_CODE = re.compile(r"[A-Z][A-Z_]{2,59}")
_QUOTA = frozenset(("QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED"))


class FcmFault(NamedTuple):
    """An error of FCM: its code, and whether it names the token as the field at fault."""

    code: str
    names_token: bool = False
    is_fcm: bool = False


def outcome_of(answer: Answer, now: float) -> Outcome:
    """Return the outcome of a push. A 401 and a 403 are those of a request with a fresh access token."""
    if answer.status == 200:
        name = _values(answer.body).get("name")
        return Delivered(name[:MAX_REASON] if isinstance(name, str) else "")
    fault = fault_of(answer)
    if fault.code in _QUOTA or answer.status == 429:
        return Throttled(_wait(answer, now) or QUOTA_SECONDS, Scope.LANE, fault.code)
    if answer.status >= 500:
        wait = _wait(answer, now)
        if answer.status == 503 and wait:
            return Throttled(wait, Scope.LANE, fault.code)
        return Retry(fault.code, max(wait or 0.0, INTERNAL_SECONDS))
    return _judged(answer.status, fault)


def _judged(status: int, fault: FcmFault) -> Outcome:
    if fault.code in ("UNREGISTERED", "SENDER_ID_MISMATCH") or (fault.code == "INVALID_ARGUMENT" and fault.names_token):
        return Dead(fault.code)
    if status in (401, 403):  # the first is about Apple's or the browser's credentials, which other devices do not need
        return Misconfigured(fault.code, is_doubted=fault.code == "THIRD_PARTY_AUTH_ERROR")
    if status == 404 and not fault.is_fcm and fault.code.startswith("HTTP"):
        return Misconfigured(fault.code)  # no answer of FCM: the project's id, or the base address, is wrong
    if status < 400:
        return Retry(fault.code)
    return Refused(fault.code)


def fault_of(answer: Answer) -> FcmFault:
    """Return the code of `FcmError`, otherwise Google's status, otherwise that of HTTP."""
    error = _values(answer.body).get("error")
    error = error if isinstance(error, dict) else {}
    details = error.get("details")
    details = [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    codes = [each.get("errorCode") for each in details if str(each.get("@type")).endswith(".FcmError")]
    violations = [each.get("fieldViolations") for each in details]
    fields = [
        violation.get("field")
        for each in violations
        if isinstance(each, list)
        for violation in each
        if isinstance(violation, dict)
    ]
    for code in (*codes, error.get("status")):
        if isinstance(code, str) and _CODE.fullmatch(code):
            return FcmFault(code, "message.token" in fields, code in codes)
    return FcmFault(f"HTTP {answer.status}")


def _wait(answer: Answer, now: float) -> float | None:
    return retry_after(answer.headers, now)


def _values(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
