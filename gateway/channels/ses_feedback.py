"""What Amazon SES reports of mails by SNS: addresses that bounced, and people who complained.

(docs.aws.amazon.com/ses, "Amazon SNS notification contents" and "Event data published to Amazon SNS": the same objects,
the type in `notificationType` or in `eventType`, and our tags in the latter only.)
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.channels.mail_feedback import Feedback

MAX_RECIPIENTS = 50
"""SES sends a mail to 50 recipients at most."""


def feedback_of(payload: Mapping[str, Any], topic_arn: str) -> list[Feedback]:
    """Return what a message of SNS reports, nothing if it is of another topic than the one that the project has named.

    Every AWS account can have SNS sign a message, so only the topic proves that it is the project's.
    """
    report = payload.get("Message")
    if not topic_arn or payload.get("TopicArn") != topic_arn or not isinstance(report, dict):
        return []
    return list(_read(report))[:MAX_RECIPIENTS]


def _read(report: Mapping[str, Any]) -> Iterator[Feedback]:
    kind = report.get("notificationType") or report.get("eventType")
    user_id = _user_id(report.get("mail"))
    if kind == "Bounce":
        bounce = report.get("bounce")
        # A transient bounce, such as of a full mailbox, is no reason to give up the address.
        if isinstance(bounce, dict) and bounce.get("bounceType") == "Permanent":
            yield from _recipients(bounce.get("bouncedRecipients"), "bounced", user_id)
    elif kind == "Complaint":
        complaint = report.get("complaint")
        if isinstance(complaint, dict):
            yield from _recipients(complaint.get("complainedRecipients"), "complaint", user_id)


def _recipients(listed: Any, reason: str, user_id: str) -> Iterator[Feedback]:
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and isinstance(email := each.get("emailAddress"), str):
            yield Feedback(email, reason, user_id)


def _user_id(mail: Any) -> str:
    tags = mail.get("tags") if isinstance(mail, dict) else None
    found = tags.get("inbox_user_id") if isinstance(tags, dict) else None
    return found[0] if isinstance(found, list) and found and isinstance(found[0], str) else ""
