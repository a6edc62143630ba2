"""SendGrid, Mailgun and Ping email: what they are sent, and what their responses mean."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from gateway.channels import mailgun, ping_email, sendgrid
from gateway.channels.message import Addressee, Message
from gateway.channels.outcome import Dead, Delivered, Misconfigured, Outcome, Refused, Retry, Scope, Throttled
from gateway.channels.provider import Links, Provider, Schedule
from gateway.domain.outbound_errors import NoAnswerError
from tests.channels.email_gallery import message
from tests.channels.mail_links import MailLinks
from tests.stubs.http_stub import HttpStub, Received, Reply
from tests.stubs.mail_services import MailgunStub, SendgridStub


class UrlStub(HttpStub):
    """What is behind the URL of Ping email."""

    def reply(self, request: Received) -> Reply:
        """Take everything."""
        return Reply(204)


@pytest.fixture
async def sendgrid_stub() -> AsyncIterator[SendgridStub]:
    async with SendgridStub() as started:
        yield started


@pytest.fixture
async def mailgun_stub() -> AsyncIterator[MailgunStub]:
    async with MailgunStub() as started:
        yield started


async def sent(provider: Provider, stub: HttpStub, sample: Message) -> Outcome:
    links = MailLinks(base=stub.url)
    try:
        (outcome,) = await provider.deliver([sample], cast(Links, links))
        return outcome
    finally:
        await links.close()


async def checked(provider: Provider, stub: HttpStub, config: Any) -> str:
    links = MailLinks(base=stub.url)
    assert provider.check is not None
    try:
        return await provider.check(config, cast(Links, links))
    finally:
        await links.close()


def to_sendgrid(**changes: Any) -> Message:
    return message(config=sendgrid.INTEGRATION.example, **changes)


def to_mailgun(**changes: Any) -> Message:
    return message(config=mailgun.INTEGRATION.example, **changes)


IDS = {
    "inbox_delivery_id": "0b7e1c52-5a39-5d7c-9a54-3f2f6d0b4f11",
    "inbox_project_id": "7",
    "inbox_user_id": "u-1",
}


# ---- SendGrid


async def test_sendgrid_takes_a_mail_by_its_own_schema(sendgrid_stub: SendgridStub) -> None:
    sample = to_sendgrid(
        topic="x", title="Grüße", extra={"categories": ["a"], "mail_settings": {"sandbox_mode": {"enable": True}}}
    )
    assert await sent(sendgrid.PROVIDER, sendgrid_stub, sample) == Delivered("sg-1")
    (mail,) = sendgrid_stub.mails
    assert mail["personalizations"] == [{"to": [{"email": "ada@example.com"}], "custom_args": IDS}]
    assert mail["from"] == {"email": "shop@example.com", "name": "Shop"}
    assert mail["reply_to"] == {"email": "help@example.com"}
    assert mail["subject"] == "Grüße"
    assert [part["type"] for part in mail["content"]] == ["text/plain", "text/html"]
    assert mail["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["headers"]["Message-ID"].startswith("<0b7e1c52-")
    assert mail["categories"] == ["a"]


async def test_an_override_that_sendgrid_does_not_know_is_refused(sendgrid_stub: SendgridStub) -> None:
    outcome = await sent(sendgrid.PROVIDER, sendgrid_stub, to_sendgrid(extra={"content": "x"}))
    assert outcome == Refused("400 personalizations.0.to")


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (401, {"errors": [{"message": "bad", "field": None}]}, {}, Misconfigured("401")),
        (403, {"errors": [{"message": "ada@example.com", "field": "from"}]}, {}, Misconfigured("403 from")),
        (400, {"errors": [{"message": "bad", "field": "from.email"}]}, {}, Misconfigured("400 from.email")),
        (400, {"errors": [{"message": "bad", "field": "subject"}]}, {}, Refused("400 subject")),
        (413, "too large", {}, Refused("413")),
        (429, "", {"Retry-After": "7"}, Throttled(7, Scope.LANE, "429")),
        (429, "", {}, Throttled(30, Scope.LANE, "429")),
        (500, "", {}, Retry("500")),
        (503, "[]", {"Retry-After": "3"}, Retry("503", 3)),
    ],
)
async def test_responses_of_sendgrid(
    sendgrid_stub: SendgridStub, status: int, body: Any, headers: dict[str, str], expected: Outcome
) -> None:
    sendgrid_stub.faults.append(Reply(status, body, headers))
    assert await sent(sendgrid.PROVIDER, sendgrid_stub, to_sendgrid()) == expected


async def test_sendgrid_says_when_its_limit_ends(sendgrid_stub: SendgridStub) -> None:
    sendgrid_stub.faults.append(Reply(429, "", {"X-RateLimit-Reset": str(int(time.time()) + 40)}))
    outcome = await sent(sendgrid.PROVIDER, sendgrid_stub, to_sendgrid())
    assert isinstance(outcome, Throttled)
    assert 35 < outcome.after <= 40


async def test_a_cut_response_is_an_error_of_the_links(sendgrid_stub: SendgridStub) -> None:
    sendgrid_stub.faults.append(None)
    with pytest.raises(NoAnswerError):
        await sent(sendgrid.PROVIDER, sendgrid_stub, to_sendgrid())


async def test_the_key_of_sendgrid_is_checked_without_sending(sendgrid_stub: SendgridStub) -> None:
    config = sendgrid.INTEGRATION.example
    assert await checked(sendgrid.PROVIDER, sendgrid_stub, config) == ""
    sendgrid_stub.scopes = ["alerts.read"]
    assert "mail.send" in await checked(sendgrid.PROVIDER, sendgrid_stub, config)
    assert "401" in await checked(sendgrid.PROVIDER, sendgrid_stub, {**config, "api_key": "SG.x"})
    sendgrid_stub.faults.append(Reply(500))
    assert "500" in await checked(sendgrid.PROVIDER, sendgrid_stub, config)
    assert sendgrid_stub.mails == []


# ---- Mailgun


async def test_mailgun_takes_a_mail_by_its_own_schema(mailgun_stub: MailgunStub) -> None:
    sample = to_mailgun(title="Grüße", extra={"o:testmode": "yes", "v:more": {"a": 1}})
    assert await sent(mailgun.PROVIDER, mailgun_stub, sample) == Delivered("<mg-1@mg.example.com>")
    (mail,) = mailgun_stub.mails
    assert mail["from"] == "Orchard <notifications@mg.example.com>"
    assert mail["to"] == "ada@example.com"
    assert mail["subject"] == "Grüße"
    assert mail["h:List-Unsubscribe"] == "<https://inbox.example.com/unsubscribe/token>"
    assert mail["h:Message-Id"] == "<0b7e1c52-5a39-5d7c-9a54-3f2f6d0b4f11@mg.example.com>"
    assert {f"v:{name}": value for name, value in IDS.items()}.items() <= mail.items()
    assert (mail["o:testmode"], json.loads(mail["v:more"])) == ("yes", {"a": 1})
    assert "<h1" in mail["html"]


async def test_a_saved_sender_of_mailgun_comes_before_the_default_one(mailgun_stub: MailgunStub) -> None:
    mailboxes = {"from": {"email": "shop@example.com"}, "reply_to": {"email": "help@example.com", "name": "Help"}}
    sample = message(config={**mailgun.INTEGRATION.example, **mailboxes})
    await sent(mailgun.PROVIDER, mailgun_stub, sample)
    (mail,) = mailgun_stub.mails
    assert (mail["from"], mail["h:Reply-To"]) == ("Orchard <shop@example.com>", "Help <help@example.com>")


async def test_an_override_of_mailgun_cannot_add_a_part_to_the_form(mailgun_stub: MailgunStub) -> None:
    name = 'o:tag"\r\n\r\nx\r\n------evil'
    assert await sent(mailgun.PROVIDER, mailgun_stub, to_mailgun(extra={name: "x"})) == Refused("400")
    assert await sent(mailgun.PROVIDER, mailgun_stub, to_mailgun(extra={"emial": "x"})) == Refused("400")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, "Forbidden", Misconfigured("401")),
        (404, {"message": "Domain not found: mg.example.com"}, Misconfigured("404")),
        (400, {"message": "from parameter is missing"}, Misconfigured("400", is_doubted=True)),
        (
            400,
            {"message": "Domain mg.example.com is not allowed to send: Please activate"},
            Misconfigured("400", is_doubted=True),
        ),
        (400, {"message": "to parameter is not a valid address. please check documentation"}, Refused("400")),
        (413, "", Refused("413")),
        (429, {"message": "limit exceeded, try again after 120 seconds"}, Throttled(120, Scope.LANE, "429")),
        (429, "", Throttled(30, Scope.LANE, "429")),
        (500, {"message": "Internal Server Error"}, Retry("500")),
    ],
)
async def test_responses_of_mailgun(mailgun_stub: MailgunStub, status: int, body: Any, expected: Outcome) -> None:
    mailgun_stub.faults.append(Reply(status, body))
    assert await sent(mailgun.PROVIDER, mailgun_stub, to_mailgun()) == expected


async def test_the_key_and_the_domain_of_mailgun_are_checked_without_sending(mailgun_stub: MailgunStub) -> None:
    config = mailgun.INTEGRATION.example
    assert await checked(mailgun.PROVIDER, mailgun_stub, config) == ""
    mailgun_stub.state = "unverified"
    assert "not verified" in await checked(mailgun.PROVIDER, mailgun_stub, config)
    assert "401" in await checked(mailgun.PROVIDER, mailgun_stub, {**config, "api_key": "x"})
    assert "domain" in await checked(mailgun.PROVIDER, mailgun_stub, {**config, "domain": "other.example.com"})
    mailgun_stub.faults.append(Reply(500))
    assert "500" in await checked(mailgun.PROVIDER, mailgun_stub, config)


@pytest.mark.parametrize("provider", [sendgrid.PROVIDER, mailgun.PROVIDER, ping_email.PROVIDER])
async def test_a_mail_is_repeated_over_a_day_and_never_sent_to_no_address(provider: Provider) -> None:
    async with UrlStub() as stub:
        assert provider.schedule is Schedule.PATIENT
        assert provider.integration is not None
        sample = message(config=provider.integration.example, destination={"email": "x"})
        assert await sent(provider, stub, sample) == Dead("no valid email address")
        assert stub.requests == []


@pytest.mark.parametrize(
    ("provider", "config", "base"),
    [
        (sendgrid, {"region": "eu"}, "https://api.eu.sendgrid.com"),
        (sendgrid, {}, "https://api.sendgrid.com"),
        (mailgun, {"region": "us"}, "https://api.mailgun.net"),
        (mailgun, {"region": "eu"}, "https://api.eu.mailgun.net"),
    ],
)
def test_each_region_has_its_address(provider: Any, config: dict[str, str], base: str) -> None:
    assert provider._base(config, MailLinks()) == base


async def test_no_override_sends_a_mail_to_anybody_else(sendgrid_stub: SendgridStub, mailgun_stub: MailgunStub) -> None:
    other = "eve@example.com"
    sample = to_sendgrid(extra={"personalizations": [{"to": [{"email": other}]}]})
    assert isinstance(await sent(sendgrid.PROVIDER, sendgrid_stub, sample), Delivered)
    sample = to_mailgun(extra={"to": other, "cc": other, "BCC": other, "recipient-variables": {}})
    assert isinstance(await sent(mailgun.PROVIDER, mailgun_stub, sample), Delivered)
    assert other not in json.dumps([sendgrid_stub.mails, mailgun_stub.mails])


# ---- Ping email


async def test_ping_email_is_sent_all_that_a_mail_needs() -> None:
    async with UrlStub() as stub:
        sample = message(
            config={"url": f"{stub.url}/ping"},
            addressee=Addressee(external_id="ada", email="ada@example.com"),
            extra={"headers": {"X-More": "1"}, "to": "eve@example.com"},
        )
        assert await sent(ping_email.PROVIDER, stub, sample) == Delivered()
        (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/ping")
    assert request.headers["idempotency-key"] == request.json["id"] == "0b7e1c52-5a39-5d7c-9a54-3f2f6d0b4f11"
    assert request.json["user"] == {"external_id": "ada", "email": "ada@example.com"}
    assert request.json["notification"]["title"] == request.json["subject"] == "Your order is on its way"
    assert request.json["headers"]["X-More"] == "1"
    assert request.json["to"] == "ada@example.com"
    assert request.json["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(302, "", {"Location": "http://127.0.0.1:1/"}), Misconfigured("302")),
        (Reply(404), Misconfigured("404")),
        (Reply(410), Misconfigured("410")),
        (Reply(422), Refused("422")),
        (Reply(429, "", {"Retry-After": "9"}), Throttled(9, Scope.LANE, "429")),
        (Reply(502), Retry("502")),
    ],
)
async def test_responses_of_ping_email(reply: Reply, expected: Outcome) -> None:
    async with UrlStub() as stub:
        stub.faults.append(reply)
        assert await sent(ping_email.PROVIDER, stub, message(config={"url": stub.url})) == expected
        assert len(stub.requests) == 1
