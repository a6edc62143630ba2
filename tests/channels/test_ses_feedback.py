"""Reports of Amazon SES about mails: which addresses are given up."""

from typing import Any

import pytest

from gateway.channels.mail_feedback import Feedback
from gateway.channels.ses_feedback import feedback_of

TOPIC = "arn:aws:sns:eu-west-1:123456789012:Mail"
BOUNCED = {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "ada@example.com"}]}


def read(report: Any, topic: str = TOPIC) -> list[Feedback]:
    return feedback_of({"TopicArn": TOPIC, "Message": report}, topic)


def test_a_permanent_bounce_and_a_complaint_give_up_an_address() -> None:
    assert read({"notificationType": "Bounce", "bounce": BOUNCED}) == [Feedback("ada@example.com", "bounced")]
    complaint = {"complainedRecipients": [{"emailAddress": "ada@example.com"}]}
    tagged = {"eventType": "Complaint", "complaint": complaint, "mail": {"tags": {"inbox_user_id": ["u-1"]}}}
    assert read(tagged) == [Feedback("ada@example.com", "complaint", "u-1")]


def test_only_the_named_topic_is_believed() -> None:
    report = {"notificationType": "Bounce", "bounce": BOUNCED}
    assert read(report, f"{TOPIC}2") == read(report, "") == []


@pytest.mark.parametrize(
    "report",
    [
        "text",
        None,
        {},
        {"notificationType": "Delivery"},
        {"notificationType": "Bounce"},
        {"notificationType": "Bounce", "bounce": {**BOUNCED, "bounceType": "Transient"}},
        {"notificationType": "Bounce", "bounce": {**BOUNCED, "bouncedRecipients": [1, {}, {"emailAddress": 1}]}},
        {"notificationType": "Bounce", "bounce": {**BOUNCED, "bouncedRecipients": 1}},
        {"notificationType": "Complaint", "complaint": []},
        {"notificationType": "Complaint", "mail": [], "complaint": {}},
        {"notificationType": "Complaint", "mail": {"tags": {"inbox_user_id": []}}, "complaint": {}},
    ],
)
def test_what_is_no_final_failure_gives_up_nothing(report: Any) -> None:
    assert read(report) == []
