"""Amazon SES: signatures that botocore verifies, and what its errors mean. `tests/providers` has moto."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from gateway.channels.aws_signature import Credentials, signed
from gateway.channels.message import Message
from gateway.channels.outcome import Dead, Delivered, Misconfigured, Outcome, Refused, Retry, Scope, Throttled
from gateway.channels.provider import Links
from gateway.channels.ses import INTEGRATION, PROVIDER
from tests.channels.email_gallery import message
from tests.channels.mail_links import MailLinks
from tests.stubs.http_stub import Reply
from tests.stubs.mail_services import SesStub, error_of

RATE, QUOTA = (Throttled(seconds, Scope.LANE, "429 TooManyRequestsException") for seconds in (2, 3600))

CONFIG: dict[str, Any] = dict(INTEGRATION.example)


@pytest.fixture
async def stub() -> AsyncIterator[SesStub]:
    async with SesStub(CONFIG["key_id"], CONFIG["secret_key"], CONFIG["region"]) as started:
        yield started


async def sent(stub: SesStub, sample: Message) -> Outcome:
    links = MailLinks(base=stub.url)
    try:
        (outcome,) = await PROVIDER.deliver([sample], cast(Links, links))
        return outcome
    finally:
        await links.close()


async def checked(stub: SesStub, config: dict[str, Any]) -> str:
    links = MailLinks(base=stub.url)
    assert PROVIDER.check is not None
    try:
        return await PROVIDER.check(config, cast(Links, links))
    finally:
        await links.close()


def test_the_signature_is_that_of_the_documented_example() -> None:
    # docs.aws.amazon.com, "Signature Version 4 test suite", get-vanilla: 2015-08-30T12:36:00Z
    example = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service")
    headers = signed(example, "GET", "https://example.amazonaws.com/", {}, b"", 1_440_938_160)
    assert headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


async def test_a_mail_is_signed_and_has_its_headers_and_our_tags(stub: SesStub) -> None:
    reply_to = {
        "Destination": {"CcAddresses": ["eve@x.y"]},
        "ReplyToAddresses": ["help@example.com"],
        "ConfigurationSetName": "inbox",
    }
    sample = message(config=CONFIG, title="Grüße", topic="x", extra=reply_to)
    assert await sent(stub, sample) == Delivered("ses-1")
    (mail,) = stub.mails
    assert mail["FromEmailAddress"] == "Shop <shop@example.com>"
    assert mail["Destination"] == {"ToAddresses": ["ada@example.com"]}
    assert mail["ConfigurationSetName"] == "inbox"
    simple = mail["Content"]["Simple"]
    assert simple["Subject"] == {"Data": "Grüße", "Charset": "UTF-8"}
    assert simple["Body"].keys() == {"Text", "Html"}
    headers = {each["Name"]: each["Value"] for each in simple["Headers"]}
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["References"].startswith("<topic.")
    assert {"Name": "inbox_user_id", "Value": "u-1"} in mail["EmailTags"]


async def test_a_wrong_secret_is_a_fault_of_the_configuration(stub: SesStub) -> None:
    wrong = {**CONFIG, "secret_key": "x"}
    assert await sent(stub, message(config=wrong)) == Misconfigured("403 SignatureDoesNotMatchException")
    assert await checked(stub, wrong) == "AWS refuses the access key: SignatureDoesNotMatchException"


@pytest.mark.parametrize(
    ("status", "name", "text", "expected"),
    [
        (429, "TooManyRequestsException", "Maximum sending rate exceeded.", RATE),
        (454, "Throttling", "Maximum sending rate exceeded", Throttled(2, Scope.LANE, "454 Throttling")),
        (429, "TooManyRequestsException", "Daily message quota exceeded.", QUOTA),
        (400, "LimitExceededException", "", Throttled(3600, Scope.LANE, "400 LimitExceededException")),
        (400, "MailFromDomainNotVerifiedException", "", Misconfigured("400 MailFromDomainNotVerifiedException")),
        (400, "SendingPausedException", "", Misconfigured("400 SendingPausedException")),
        (400, "MessageRejected", "Address is not verified.", Misconfigured("400 MessageRejected", is_doubted=True)),
        (400, "MessageRejected", "Invalid content", Refused("400 MessageRejected")),
        (404, "NotFoundException", "Configuration set", Misconfigured("404 NotFoundException")),
        (400, "BadRequestException", "", Refused("400 BadRequestException")),
        (500, "InternalFailure", "", Retry("500 InternalFailure")),
        (503, "", "", Retry("503")),
    ],
)  # fmt: skip
async def test_errors_of_ses(stub: SesStub, status: int, name: str, text: str, expected: Outcome) -> None:
    stub.faults.append(Reply(status, {"message": text}, error_of(name) if name else {}))  # complaint 9: throttling
    assert await sent(stub, message(config=CONFIG)) == expected


async def test_errors_may_have_their_name_in_the_body_or_no_body(stub: SesStub) -> None:
    stub.faults += [
        Reply(400, {"__type": "com.amazonaws.ses#BadRequestException"}),
        Reply(400, "<html>"),
        Reply(400, []),
    ]
    assert await sent(stub, message(config=CONFIG)) == Refused("400 BadRequestException")
    assert await sent(stub, message(config=CONFIG)) == Refused("400")
    assert await sent(stub, message(config=CONFIG)) == Refused("400")


async def test_the_account_is_checked_without_sending(stub: SesStub) -> None:
    assert await checked(stub, CONFIG) == ""
    stub.sending_enabled = False
    assert await checked(stub, CONFIG) == "the account may not send mail"
    stub.faults.append(Reply(500))
    assert await checked(stub, CONFIG) == "SES responded with 500"
    assert stub.mails == []


async def test_requests_go_to_the_region_or_to_the_endpoint_of_a_development(stub: SesStub) -> None:
    links = MailLinks()
    sample = message(config={**CONFIG, "endpoint": f"{stub.url}/"})
    assert await PROVIDER.deliver([sample], cast(Links, links)) == [Delivered("ses-1")]
    await links.close()
    assert await sent(stub, message(config=CONFIG, destination={})) == Dead("no valid email address")
