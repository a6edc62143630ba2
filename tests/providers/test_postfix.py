"""Mail to a real Postfix: STARTTLS, a Maildir, and its own refusals."""

import asyncio
import email
import os
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

import pytest

from gateway.channels.outcome import Dead, Delivered, Misconfigured, Outcome, Refused
from gateway.channels.provider import Links
from gateway.channels.smtp import PROVIDER
from tests.channels.email_gallery import RICH, message
from tests.channels.mail_links import MailLinks
from tests.providers.postfix import POSTFIX, Postfix, running_postfix


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    if not POSTFIX or os.geteuid() != 0:
        pytest.skip("postfix is not installed, or this is not root: `apt-get install postfix`")
    with running_postfix() as started:
        yield started


@pytest.fixture
async def links(postfix: Postfix) -> AsyncIterator[MailLinks]:
    trusting = MailLinks(postfix.certificates.authority)
    yield trusting
    await trusting.close()


def config_of(postfix: Postfix, **changes: Any) -> dict[str, Any]:
    sender = {"email": "shop@example.com", "name": "Orchard"}
    return {"host": "localhost", "port": postfix.port, "security": "starttls", "from": sender, **changes}


async def send(postfix: Postfix, links: MailLinks, recipient: str = "ada@mail.test", **changes: Any) -> Outcome:
    sample = message(destination={"email": recipient}, **{"config": config_of(postfix), **changes})
    (outcome,) = await PROVIDER.deliver([sample], cast(Links, links))
    return outcome


async def test_postfix_delivers_our_mails_by_one_encrypted_connection(postfix: Postfix, links: MailLinks) -> None:
    for number in range(20):
        outcome = await send(postfix, links, title=f"Größe {number}", content=RICH, topic="t")
        assert isinstance(outcome, Delivered)
        assert outcome.provider_id in postfix.log
    async with asyncio.timeout(20):
        while len(postfix.mails()) < 20:
            await asyncio.sleep(0.05)
    assert postfix.log.count("connect from localhost") == 1 + postfix.log.count("disconnect from localhost")
    mail = email.message_from_bytes(postfix.mails()[0], policy=default)
    assert isinstance(mail, EmailMessage)
    assert not mail.defects
    assert "using TLSv1.3" in str(mail["Received"])
    assert mail["Return-Path"] == "<shop@example.com>"
    assert str(mail["Subject"]).startswith("Größe ")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, html = (part.get_content() for part in mail.iter_parts())
    assert "Apples, 2 kg" in plain
    assert "<script" not in html


@pytest.mark.parametrize(
    ("recipient", "changes", "expected"),
    [
        ("nobody@mail.test", {}, Dead("RCPT 550 5.1.1")),
        ("blocked@mail.test", {}, Refused("RCPT 554 5.7.1")),
        ("ada@elsewhere.test", {}, Misconfigured("RCPT 554 5.7.1", is_doubted=True)),
        ("ada@mail.test", {"title": "spam and more"}, Refused("DATA 550 5.7.1")),
        ("ada@mail.test", {"content": "<p>" + "ü" * 60_000}, Refused("DATA 552 5.3.4")),
    ],
)
async def test_refusals_of_postfix_have_their_outcome(
    postfix: Postfix, links: MailLinks, recipient: str, changes: dict[str, Any], expected: Outcome
) -> None:
    assert await send(postfix, links, recipient, **changes) == expected
    assert isinstance(await send(postfix, links), Delivered)


async def test_an_unknown_certificate_authority_ends_the_connection(postfix: Postfix) -> None:
    outcome = await send(postfix, MailLinks())
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.startswith("TLS: ")


async def test_the_check_reaches_postfix(postfix: Postfix, links: MailLinks) -> None:
    assert PROVIDER.check is not None
    assert await PROVIDER.check(config_of(postfix), cast(Links, links)) == ""
    with_login = config_of(postfix, username="shop", password="secret")
    assert await PROVIDER.check(with_login, cast(Links, links)) == "no way to log in"
