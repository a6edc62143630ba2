"""What replies of mail servers mean (RFC 5321, 4.2; the enhanced codes of RFC 3463 and the IANA registry).

A reason is the codes alone, because the text of a reply contains addresses.
"""

import re
from enum import Enum

from gateway.channels.outcome import Dead, Misconfigured, Refused, Retry, Scope, Throttled

Fault = Dead | Misconfigured | Refused | Retry | Throttled
"""What a reply that refuses can mean."""


class Stage(Enum):
    """What was said to the server. `sender` stands for the whole of MAIL, `content` for all after DATA."""

    CONNECT = "connect"
    LOGIN = "AUTH"
    SENDER = "MAIL"
    RECIPIENT = "RCPT"
    CONTENT = "DATA"


THROTTLED_SECONDS = 30.0
"""How long a lane pauses after a reply that asks for a slower rate. Servers do not say for how long."""

QUOTA_SECONDS = 3600.0
"""The same after a reply that names a quota of a day."""

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")

_SLOWER = re.compile(r"thrott|rate|too (many|much|fast)|slow down|limit exceeded|connection limit", re.IGNORECASE)
_QUOTA = re.compile(r"(daily|24.hour).*(quota|limit)|quota exceeded", re.IGNORECASE)
_NO_MAILBOX = re.compile(
    r"(user|recipient|mailbox|address|account)\b.*\b(unknown|not found|not exist|doesn't exist|invalid|no longer)"
    r"|(no such|unknown|invalid) (local )?(user|recipient|mailbox|address|account)|no mailbox",
    re.IGNORECASE,
)
_OUR_FAULT = re.compile(
    r"relay|authenticat|authoriz|not verified|client host|helo|sender (address )?(rejected|denied|not)|"
    r"not (allowed|permitted) to send|send as|must issue a starttls",
    re.IGNORECASE,
)

_DEAD = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10")
"""No such mailbox, no such domain, not an address, moved without a new address, a domain that takes no mail."""


def outcome_of(stage: Stage, code: int, text: str) -> Fault:
    """Return the outcome of a message that a server has refused with a reply."""
    found = _ENHANCED.match(text)
    enhanced = found[1] if found else ""
    reason = f"{stage.value} {code} {enhanced}".rstrip()
    if 400 <= code < 500:
        return _passing(stage, code, text, reason)
    if not 500 <= code < 600:
        return Retry(reason)
    match stage:
        case Stage.CONNECT:
            # 554 at the greeting: "no SMTP service here", to this client (RFC 5321, 3.1).
            return Misconfigured(reason)
        case Stage.LOGIN:
            return Misconfigured(reason)
        case Stage.SENDER:
            return Refused(reason) if code == 552 or enhanced.startswith("5.3.4") else Misconfigured(reason)
        case Stage.RECIPIENT if enhanced in _DEAD or (not enhanced and code in (550, 553) and _NO_MAILBOX.search(text)):
            return Dead(reason)
    if code in (530, 535) or _OUR_FAULT.search(text):
        # Without a code for a missing login, it may be about this recipient alone.
        return Misconfigured(reason, is_doubted=code not in (530, 535))
    return Refused(reason)


def _passing(stage: Stage, code: int, text: str, reason: str) -> Fault:
    """Return the outcome of a reply that a later attempt may not get."""
    if _QUOTA.search(text) and code in (452, 454):
        return Throttled(QUOTA_SECONDS, Scope.LANE, reason)
    # A server that is full or going down says 421 to everybody (RFC 5321, 3.8); SES throttles with 454.
    if code == 421 or _SLOWER.search(text):
        return Throttled(THROTTLED_SECONDS, Scope.LANE, reason)
    return Retry(reason)
