"""Connections to mail servers. Imported by the first mail that is sent.

A connection is used for many mails, one after the other, and is closed when it was idle for a while. Its socket comes
from `Links.connect`, so that it goes to an address that was checked; TLS verifies the name of the server.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPResponseException

from gateway.channels.email_message import Mail
from gateway.channels.outcome import Delivered, Misconfigured, Outcome, Retry, Throttled, Unknown
from gateway.channels.provider import Links
from gateway.channels.smtp_replies import Fault, Stage, outcome_of
from gateway.domain.outbound_errors import NotSentError, OutboundRefusedError

MAX_MAILS = 100
"""How many mails a connection sends. Postfix's own limit for a connection is also 100 (smtpd_junk_command_limit)."""

MAX_CONNECTIONS = 10
"""How many connections one configuration has at once. Postfix takes 50 of a client by default, SES more."""

IDLE_SECONDS = 10.0
"""How long an unused connection is kept."""


CONNECT_SECONDS = 15.0


class ConnectionFaultError(Exception):
    """No connection could be opened. `outcome` says what follows for a message."""

    def __init__(self, outcome: Fault):
        super().__init__(outcome.reason)
        self.outcome = outcome


Account = tuple[object, ...]
"""What a connection depends on. A configuration keeps its id when it is changed."""


def account_of(config: Mapping[str, Any]) -> Account:
    """Return what a connection depends on: the server and who logs in."""
    return tuple(config.get(name) for name in ("host", "port", "security", "username", "password"))


@dataclass(slots=True)
class Progress:
    """How far a mail is."""

    stage: Stage = Stage.CONNECT

    @property
    def lost(self) -> Outcome:
        """Return the outcome if the connection ends, or the time, before a reply.

        After DATA the server may have taken the mail (RFC 1047).
        """
        return Unknown("no reply to DATA") if self.stage is Stage.CONTENT else Retry(f"no reply to {self.stage.value}")


class Connection:
    """A connection that is ready for a mail."""

    def __init__(self, client: SMTP, account: Account):
        self._client = client
        self._account = account
        self._sent = 0
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, config: Mapping[str, Any], links: Links) -> "Connection":
        """Connect and log in as configured. Raises ConnectionFaultError, and NotSentError."""
        try:
            connected = await links.connect(config["host"], config["port"], seconds=CONNECT_SECONDS)
        except OutboundRefusedError as problem:
            raise ConnectionFaultError(Misconfigured(str(problem))) from None
        security = config["security"]
        client = SMTP(
            hostname=config["host"].strip("[]"),
            sock=connected,
            local_hostname=_literal(connected.getsockname()[0]),
            use_tls=security == "tls",
            start_tls=security == "starttls",
            tls_context=links.tls(),
            username=config.get("username"),
            password=config.get("password"),
            timeout=None,  # the limit is that of the whole attempt
        )
        try:
            await client.connect()  # which closes the socket if it fails
        except (SMTPException, OSError) as problem:
            raise ConnectionFaultError(_fault_of(problem)) from None
        return cls(client, account_of(config))

    @property
    def is_open(self) -> bool:
        """Return whether the server has not closed the connection."""
        return self._client.is_connected

    @property
    def is_usable(self) -> bool:
        """Return whether another mail may be sent."""
        return self.is_open and self._sent < MAX_MAILS

    def serves(self, config: Mapping[str, Any]) -> bool:
        """Return whether another mail of a configuration may be sent."""
        return self.is_usable and self._account == account_of(config)

    async def send(self, mail: Mail, content: bytes, progress: Progress) -> Outcome:
        """Send a mail, and return its outcome."""
        self._sent += 1
        try:
            progress.stage = Stage.SENDER
            await self._client.mail(mail.sender.email)
            progress.stage = Stage.RECIPIENT
            await self._client.rcpt(mail.recipient.email)
            progress.stage = Stage.CONTENT
            reply = await self._client.data(content)
        except SMTPResponseException as problem:
            return outcome_of(progress.stage, problem.code, problem.message)
        except SMTPException:
            return progress.lost
        return Delivered(_queue_id(reply.message))

    async def reset(self) -> None:
        """Make the connection ready for another mail after one that was refused, or close it."""
        try:
            await self._client.rset()
        except SMTPException:
            self.abort()

    def rest(self) -> None:
        """Close the connection after IDLE_SECONDS, unless `wake` is called before."""
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self.abort)

    def wake(self) -> None:
        """Undo `rest`."""
        if self._timer is not None:
            self._timer.cancel()

    async def quit(self) -> None:
        """Close the connection as the protocol has it."""
        try:
            await self._client.quit()
        except SMTPException:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once, also to a server that hangs. The server keeps the mails that it has taken."""
        transport = self._client.transport
        if transport is not None:
            cast(asyncio.WriteTransport, transport).abort()
        self._client.close()


class Pool:
    """The connections of one configuration."""

    def __init__(self) -> None:
        self._idle: list[Connection] = []
        self._accepted: Account | None = None
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    async def send(
        self, config: Mapping[str, Any], mail: Mail, content: bytes, links: Links, seconds: float
    ) -> Outcome:
        """Send a mail within a time, and return its outcome. Raises NotSentError."""
        progress = Progress()
        try:
            async with asyncio.timeout(seconds), self._slots:
                outcome = await self._send(config, mail, content, links, progress)
        except TimeoutError:
            return progress.lost
        except ConnectionFaultError as problem:
            return problem.outcome
        return self._judged(account_of(config), outcome, progress)

    def _judged(self, account: Account, outcome: Outcome, progress: Progress) -> Outcome:
        """Return the outcome of a mail, in view of those before it.

        A server that takes mails to its own users refuses to relay those to others. If it has taken a mail of this
        account, only this recipient is at fault, and stops no mail to others. The mail is tried again, because the
        server may relay it later.
        """
        if isinstance(outcome, Delivered):
            self._accepted = account
        if isinstance(outcome, Misconfigured) and progress.stage is Stage.RECIPIENT and self._accepted == account:
            return Retry(outcome.reason)
        return outcome

    async def _send(
        self, config: Mapping[str, Any], mail: Mail, content: bytes, links: Links, progress: Progress
    ) -> Outcome:
        if (used := self._usable(config)) is not None:
            outcome = await self._send_by(used, mail, content, progress)
            # Servers close idle connections, some with a reply to the next command.
            if used.is_open or not isinstance(outcome, Retry | Throttled):
                return outcome
        connection = await Connection.open(config, links)
        return await self._send_by(connection, mail, content, progress)

    async def _send_by(self, connection: Connection, mail: Mail, content: bytes, progress: Progress) -> Outcome:
        """Send a mail by a connection, and keep it for others if it is ready for them."""
        try:
            outcome = await connection.send(mail, content, progress)
            if connection.is_usable and not isinstance(outcome, Delivered):
                await connection.reset()
        except BaseException:
            connection.abort()
            raise
        if connection.is_usable:
            self._idle.append(connection)
            connection.rest()
        else:
            connection.abort()
        return outcome

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            connection = self._idle.pop()
            connection.wake()
            connection.abort()

    def _usable(self, config: Mapping[str, Any]) -> Connection | None:
        """Return the connection that was used last. Those that no longer serve are dropped."""
        while self._idle:
            connection = self._idle.pop()
            connection.wake()
            if connection.serves(config):
                return connection
            connection.abort()
        return None


def _literal(address: str) -> str:
    """Return an address of ours as the name in EHLO: a client without a name of its own (RFC 5321, 4.1.3 and 4.1.4)."""
    return f"[IPv6:{address.partition('%')[0]}]" if ":" in address else f"[{address}]"


def _fault_of(problem: SMTPException | OSError) -> Fault:
    """Return the outcome of a connection that could not be opened."""
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Misconfigured(f"TLS: {cause.verify_message}")
        if isinstance(cause, ssl.SSLError):
            return Misconfigured(f"TLS: {cause.reason or 'no session'}")
        cause = cause.__cause__
    match problem:
        case SMTPAuthenticationError():
            return outcome_of(Stage.LOGIN, problem.code, problem.message)
        case SMTPResponseException():
            return outcome_of(Stage.CONNECT, problem.code, problem.message)
        case OSError():
            raise NotSentError("The server closed the connection") from None
    # What the server does not offer: STARTTLS, or a way to log in.
    return Misconfigured("no STARTTLS" if "STARTTLS extension" in str(problem) else "no way to log in")


def _queue_id(reply: str) -> str:
    """Return the server's id of a mail, from replies such as `2.0.0 Ok: queued as 4XyzQ1`; "" if it has none."""
    for sign in (" queued as ", "2.0.0 Ok ", " id="):
        if sign in reply:
            return reply.partition(sign)[2].split()[0][:100]
    return ""
