"""Mail over SMTP, to a server with faults. `tests/providers/test_postfix.py` sends to a real one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.channels import smtp, smtp_connection
from gateway.channels.outcome import (
    Dead,
    Delivered,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Scope,
    Throttled,
    Unknown,
)
from gateway.channels.provider import Links
from gateway.channels.smtp import PROVIDER
from gateway.channels.smtp_replies import QUOTA_SECONDS, THROTTLED_SECONDS, Stage, outcome_of
from gateway.domain.outbound_errors import NotSentError
from tests.channels.email_gallery import message
from tests.channels.mail_links import MailLinks
from tests.stubs.certificates import Certificates, make_certificates
from tests.stubs.smtp import CUT, SmtpStub


@pytest.fixture
async def server() -> AsyncIterator[SmtpStub]:
    async with SmtpStub() as started:
        yield started


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def config_of(server: SmtpStub, **changes: Any) -> dict[str, Any]:
    sender = {"email": "shop@example.com", "name": "Orchard"}
    return {"host": "localhost", "port": server.port, "security": "none", "from": sender, **changes}


async def send(server: SmtpStub, links: MailLinks, config: dict[str, Any] | None = None, **changes: Any) -> Outcome:
    sample = message(config=config or config_of(server), **changes)
    (outcome,) = await PROVIDER.deliver([sample], cast(Links, links))
    return outcome


async def test_a_mail_arrives_and_the_connection_is_used_again(server: SmtpStub) -> None:
    links = MailLinks()
    assert [await send(server, links) for _ in range(3)] == [Delivered("Q1"), Delivered("Q2"), Delivered("Q3")]
    assert server.connections == 1
    assert b"Subject: Your order is on its way\r\n" in server.mails[0]
    assert server.mails[0].count(b"\r\nTo: ada@example.com\r\n") == 1


async def test_a_connection_sends_a_limited_number_of_mails(server: SmtpStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_connection, "MAX_MAILS", 2)
    links = MailLinks()
    for _ in range(5):
        assert isinstance(await send(server, links), Delivered)
    assert server.connections == 3


async def test_mails_at_once_use_a_limited_number_of_connections(server: SmtpStub) -> None:
    links = MailLinks()
    outcomes = await asyncio.gather(*(send(server, links) for _ in range(25)))
    assert all(isinstance(each, Delivered) for each in outcomes)
    assert 1 < server.connections <= smtp_connection.MAX_CONNECTIONS


async def test_an_unused_connection_is_closed(server: SmtpStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_connection, "IDLE_SECONDS", 0.01)
    links = MailLinks()
    await send(server, links)
    pool = links.memo("smtp c-1")["pool"]
    while pool._idle[0].is_open:
        await asyncio.sleep(0.005)
    assert isinstance(await send(server, links), Delivered)
    assert server.connections == 2


async def test_a_changed_configuration_gets_connections_of_its_own(certificates: Certificates) -> None:
    async with SmtpStub(certificates.server_context(), tls=True, password="secret") as server:
        links = MailLinks(certificates.authority)
        config = config_of(server, security="tls", username="shop", password="secret")
        assert isinstance(await send(server, links, config), Delivered)
        assert await send(server, links, {**config, "password": "old"}) == Misconfigured("AUTH 535 5.7.8")


async def test_a_connection_that_the_server_has_closed_costs_no_attempt(server: SmtpStub) -> None:
    links = MailLinks()
    await send(server, links)
    server.cut_idle()
    assert isinstance(await send(server, links), Delivered)
    server.fail("MAIL", "421 4.4.2 Timeout exceeded")
    assert isinstance(await send(server, links), Delivered)
    assert server.connections == 3


@pytest.mark.parametrize(
    ("command", "reply", "expected"),
    [
        ("CONNECT", "421 4.7.0 Too many connections", Throttled(THROTTLED_SECONDS, Scope.LANE, "connect 421 4.7.0")),
        ("CONNECT", "554 5.7.1 Client host blocked", Misconfigured("connect 554 5.7.1")),
        ("MAIL", "454 Throttling failure: Maximum sending rate exceeded.", Throttled(30, Scope.LANE, "MAIL 454")),
        ("MAIL", "550 5.7.1 Sender denied", Misconfigured("MAIL 550 5.7.1")),
        ("MAIL", "451 4.3.0 Try later", Retry("MAIL 451 4.3.0")),
        ("RCPT", "550 5.1.1 <ada@example.com>: Recipient address rejected", Dead("RCPT 550 5.1.1")),
        ("RCPT", "450 4.2.0 <ada@example.com>: Greylisted", Retry("RCPT 450 4.2.0")),
        ("RCPT", "554 5.7.1 <ada@example.com>: Recipient address rejected: Access denied", Refused("RCPT 554 5.7.1")),
        ("DATA", "452 4.3.1 Insufficient system storage", Retry("DATA 452 4.3.1")),
        ("CONTENT", "552 5.3.4 Message too big", Refused("DATA 552 5.3.4")),
        ("CONTENT", "554 5.7.1 Spam message rejected", Refused("DATA 554 5.7.1")),
        ("CONTENT", "554 Message rejected: Email address is not verified", Misconfigured("DATA 554", is_doubted=True)),
        ("CONTENT", "421 4.3.2 Shutting down", Throttled(THROTTLED_SECONDS, Scope.LANE, "DATA 421 4.3.2")),
        ("CONTENT", CUT, Unknown("no reply to DATA")),
        ("RCPT", CUT, Retry("no reply to RCPT")),
    ],
)
async def test_each_reply_has_its_outcome_and_the_next_mail_arrives(
    server: SmtpStub, command: str, reply: str, expected: Outcome
) -> None:  # complaint 9
    links = MailLinks()
    server.fail(command, reply)
    assert await send(server, links) == expected
    assert isinstance(await send(server, links), Delivered)


async def test_a_recipient_to_whom_the_server_relays_nothing_stops_no_mail_to_others(server: SmtpStub) -> None:
    links, relaying = MailLinks(), "554 5.7.1 <eve@example.org>: Relay access denied"
    server.fail("RCPT", relaying)
    assert await send(server, links) == Misconfigured("RCPT 554 5.7.1", is_doubted=True), (
        "perhaps it relays nothing at all"
    )
    assert isinstance(await send(server, links), Delivered)
    server.fail("RCPT", relaying)
    assert await send(server, links) == Retry("RCPT 554 5.7.1")
    server.fail("MAIL", "550 5.7.1 Sender denied")
    assert await send(server, links) == Misconfigured("MAIL 550 5.7.1")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("RCPT", Retry("no reply to RCPT")),
        ("CONTENT", Unknown("no reply to DATA")),
        ("CONNECT", Retry("no reply to connect")),
    ],
)
async def test_a_server_that_hangs_leaves_the_outcome_open_only_after_the_content(
    server: SmtpStub, monkeypatch: pytest.MonkeyPatch, command: str, expected: Outcome
) -> None:  # complaint 11: a mail may have been accepted
    monkeypatch.setattr(smtp, "SECONDS", 0.2)
    server.fail(command, None)
    assert await send(server, MailLinks()) == expected


async def test_a_refused_connection_was_not_sent_and_a_refused_address_is_a_fault_of_the_configuration() -> None:
    async with SmtpStub() as stopped:
        pass
    with pytest.raises(NotSentError):
        await send(stopped, MailLinks())
    refused = Misconfigured("The host must have a public address")
    assert await send(stopped, MailLinks(refuses=True)) == refused


async def test_a_connection_that_ends_before_a_mail_was_sent_is_no_attempt_to_send(server: SmtpStub) -> None:
    server.fail("CONNECT", CUT)
    with pytest.raises(NotSentError):
        await send(server, MailLinks())


async def test_a_connection_that_cannot_be_made_ready_again_is_closed(server: SmtpStub) -> None:
    links = MailLinks()
    server.fail("RCPT", "550 5.1.1 No such user")
    server.fail("RSET", CUT)
    assert await send(server, links) == Dead("RCPT 550 5.1.1")
    assert isinstance(await send(server, links), Delivered)
    assert server.connections == 2
    await links.close()


async def test_a_reply_without_an_id_is_a_delivery_too(server: SmtpStub) -> None:
    server.fail("CONTENT", "250 Fine")
    assert await send(server, MailLinks()) == Delivered("")


async def test_no_connection_is_opened_for_a_mail_that_cannot_be_sent(server: SmtpStub) -> None:
    assert await send(server, MailLinks(), destination={"email": "nobody"}) == Dead("no valid email address")
    assert server.connections == 0


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_tls_verifies_the_server_before_the_password_is_sent(certificates: Certificates, security: str) -> None:
    async with SmtpStub(certificates.server_context(), tls=security == "tls", password="secret") as server:
        config = config_of(server, security=security, username="shop", password="secret")
        trusting = MailLinks(certificates.authority)
        assert isinstance(await send(server, trusting, config), Delivered)
        wrong = {**config, "password": "wrong"}
        assert await send(server, MailLinks(certificates.authority), wrong) == Misconfigured("AUTH 535 5.7.8")
        untrusted = await send(server, MailLinks(), config)
        assert isinstance(untrusted, Misconfigured)
        assert untrusted.reason.startswith("TLS: ")
        other_name = {**config, "host": "mail.example.com"}
        assert "Hostname mismatch" in str(await send(server, MailLinks(certificates.authority), other_name))
        assert len(server.mails) == 1


async def test_a_server_without_what_is_configured_is_a_fault_of_the_configuration(server: SmtpStub) -> None:
    assert await send(server, MailLinks(), config_of(server, security="starttls")) == Misconfigured("no STARTTLS")
    with_password = config_of(server, username="shop", password="secret")
    assert await send(server, MailLinks(), with_password) == Misconfigured("no way to log in")
    assert not server.mails


async def test_a_check_logs_in_and_sends_nothing(certificates: Certificates, server: SmtpStub) -> None:
    assert PROVIDER.check is not None

    async def fault(config: dict[str, Any], links: MailLinks) -> str:
        assert PROVIDER.check is not None
        return await PROVIDER.check(config, cast(Links, links))

    async with SmtpStub(certificates.server_context(), tls=True, password="secret") as checked:
        config = config_of(checked, security="tls", username="shop", password="secret")
        assert await fault(config, MailLinks(certificates.authority)) == ""
        assert await fault({**config, "password": "x"}, MailLinks(certificates.authority)) == "AUTH 535 5.7.8"
        assert checked.mails == []
    assert await fault(config, MailLinks()) == "No connection to localhost"
    server.fail("CONNECT", "421 4.7.0 Busy")
    assert await fault(config_of(server), MailLinks()) == "connect 421 4.7.0"


QUOTA = Throttled(QUOTA_SECONDS, Scope.LANE, "MAIL 454")


@pytest.mark.parametrize(
    ("stage", "code", "text", "expected"),
    [
        (Stage.LOGIN, 454, "4.7.0 Temporary authentication failure", Retry("AUTH 454 4.7.0")),
        (Stage.SENDER, 454, "Throttling failure: Daily message quota exceeded.", QUOTA),
        (Stage.SENDER, 552, "too big", Refused("MAIL 552")),
        (Stage.SENDER, 530, "5.7.0 Must issue a STARTTLS command first", Misconfigured("MAIL 530 5.7.0")),
        (Stage.RECIPIENT, 550, "No such user here", Dead("RCPT 550")),
        (Stage.RECIPIENT, 550, "5.7.1 Relaying denied", Misconfigured("RCPT 550 5.7.1", is_doubted=True)),
        (Stage.RECIPIENT, 550, "blocked", Refused("RCPT 550")),
        (Stage.RECIPIENT, 552, "5.2.2 Mailbox full", Refused("RCPT 552 5.2.2")),
        (Stage.RECIPIENT, 530, "Authentication required", Misconfigured("RCPT 530")),
        (Stage.CONTENT, 550, "5.1.1 No such user", Refused("DATA 550 5.1.1")),
        (Stage.RECIPIENT, 299, "what?", Retry("RCPT 299")),
        (Stage.CONTENT, -1, "Malformed", Retry("DATA -1")),
    ],
)  # fmt: skip
def test_replies_mean_what_the_registry_of_codes_says(stage: Stage, code: int, text: str, expected: Outcome) -> None:
    assert outcome_of(stage, code, text) == expected


def test_the_name_in_ehlo_is_an_address_literal() -> None:
    assert smtp_connection._literal("192.0.2.1") == "[192.0.2.1]"
    assert smtp_connection._literal("fe80::1%eth0") == "[IPv6:fe80::1]"


def test_importing_the_registry_loads_no_client(tmp_path: Path) -> None:
    import subprocess
    import sys

    heavy = "{'aiosmtplib', 'nh3', 'email.policy'}"
    code = f"import gateway.channels.registry, sys; sys.exit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
