"""A mail server for tests: aiosmtpd, with faults that the test switches on."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Self, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Fault = str | None
"""A reply in place of the right one. None: the server hangs, and never replies."""

CUT = "cut"
"""As a fault: the server closes the connection without a reply."""


class SmtpStub:
    """A mail server on the loopback. Use it as an asynchronous context manager.

    `mails` are the contents that it took. `faults` has replies by command (`CONNECT`, `MAIL`, `RCPT`, `DATA` before the
    content and `CONTENT` after it), each used once. With `context`, it offers STARTTLS, or speaks TLS at once with
    `tls`. `password` is what users log in with.
    """

    def __init__(self, context: ssl.SSLContext | None = None, tls: bool = False, password: str = ""):
        self.mails: list[bytes] = []
        self.connections = 0
        self.faults: dict[str, deque[Fault]] = {}
        self.port = 0
        self._context = context
        self._tls = tls
        self._password = password
        self._open: set[asyncio.Transport] = set()

    def fail(self, command: str, *faults: Fault) -> None:
        """Answer the next requests of a command by faults."""
        self.faults.setdefault(command, deque()).extend(faults)

    def cut_idle(self) -> None:
        """Close all connections."""
        for transport in [*self._open]:
            transport.abort()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._protocol, "127.0.0.1", 0, ssl=self._context if self._tls else None
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        self.cut_idle()

    def _protocol(self) -> asyncio.Protocol:
        options: dict[str, Any] = {"hostname": "mail.example.com", "ident": "stub", "enable_SMTPUTF8": False}
        if self._context is not None and not self._tls:
            options |= {"tls_context": self._context, "require_starttls": True}
        if self._password:
            options |= {"authenticator": self._login, "auth_require_tls": not self._tls}
        return _Protocol(self, **options)

    def _login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and data.password == self._password.encode()
        return AuthResult(success=right, handled=False)

    async def handle_RCPT(  # noqa: N802 - the name of the hook
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient."""
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail."""
        assert isinstance(envelope.original_content, bytes)
        self.mails.append(envelope.original_content)
        fault = await self.fault(server, "CONTENT")
        return fault or f"250 2.0.0 Ok: queued as Q{len(self.mails)}"

    async def fault(self, server: SMTP, command: str) -> str:
        """Return the fault that comes next, "" for none. Do not return if the server shall hang."""
        waiting = self.faults.get(command)
        if not waiting:
            return ""
        fault = waiting.popleft()
        if fault is None:
            await asyncio.Event().wait()
        if fault == CUT:
            _transport(server).abort()
            await asyncio.Event().wait()
        return fault or ""


def _transport(server: SMTP) -> asyncio.Transport:
    return cast(asyncio.Transport, server.transport)


def _faulty(name: str) -> Callable[..., Any]:
    """Return a command of the server that replies with a fault if there is one."""

    async def command(self: "_Protocol", argument: str) -> None:
        if fault := await self.stub.fault(self, name):
            await self.push(fault)
            if fault.startswith("421"):
                _transport(self).close()
            return
        await getattr(SMTP, f"smtp_{name}")(self, argument)

    return command


class _Protocol(SMTP):
    def __init__(self, stub: SmtpStub, **options: Any):
        super().__init__(stub, **options)
        self.stub = stub

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.stub.connections += 1
        self.stub._open.add(transport)  # type: ignore[arg-type] # a transport of a stream
        super().connection_made(transport)

    async def _handle_client(self) -> None:
        if fault := await self.stub.fault(self, "CONNECT"):
            await self.push(fault)
            _transport(self).close()
            return
        await super()._handle_client()

    smtp_MAIL = _faulty("MAIL")  # noqa: N815
    smtp_RCPT = _faulty("RCPT")  # noqa: N815
    smtp_DATA = _faulty("DATA")  # noqa: N815
    smtp_RSET = _faulty("RSET")  # noqa: N815
