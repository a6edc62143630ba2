"""How adapters reach their providers: the HTTP clients of the process, bound to one provider.

There are three clients. Requests to addresses of tenants pass the rules for outbound addresses. Requests below a base
address that the operator has set in INBOX_PROVIDER_URLS pass without these rules, because the operator may name any
host. Requests over HTTP/2 go to a provider's own address or to that of the operator.
"""

import asyncio
import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.auth.report_links import ReportLinks
from gateway.channels.integration_kind import InstallationKind
from gateway.channels.message import Message
from gateway.channels.provider import Answer, Provider
from gateway.domain.outbound import OPERATOR, PRIVATE_ADDRESS, OutboundRules
from gateway.domain.outbound_errors import NotSentError, OutboundRefusedError, cause_of
from gateway.domain.principal import User
from gateway.runtime.outbound import ConnectionLimits, OutboundHttp, trusting
from gateway.runtime.outbound_http2 import OutboundHttp2
from gateway.store.installations import InstallationStore

CONNECTIONS = ConnectionLimits(total=0, per_host=100)
"""How many requests are under way is bounded by the runner. A host that hangs must not take the connections of others,
so there is no bound on all together."""

MAX_MEMOS = 10_000
"""How many dictionaries of adapters are kept, the latest ones."""


class Clients:
    """The HTTP clients that all links of a process share. Call `close` at the end."""

    def __init__(self, rules: OutboundRules, ca_file: Path | None = None):
        self.rules = rules
        self.tenants = OutboundHttp(rules, limits=CONNECTIONS, ca_file=ca_file)
        self.operators = OutboundHttp(OPERATOR, limits=CONNECTIONS, ca_file=ca_file)
        self.http2 = OutboundHttp2(ca_file=ca_file)
        self.closed_before: list[Callable[[], None]] = []
        """What `close` calls first: what closes the connections that adapters keep in their memos."""
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None

    @property
    def context(self) -> ssl.SSLContext:
        """Return the context for TLS on other connections."""
        if self._context is None:
            self._context = trusting(self._ca_file)
        return self._context

    async def close(self) -> None:
        """Close all connections."""
        for close in self.closed_before:
            close()
        await asyncio.sleep(0)  # a transport closes its socket in the next turn of the loop
        for client in (self.tenants, self.operators, self.http2):
            await client.close()


class ProviderLinks:
    """The `Links` of one provider. `override` is its base address in INBOX_PROVIDER_URLS, "" for none."""

    def __init__(
        self,
        provider: Provider,
        clients: Clients,
        installations: InstallationStore,
        override: str = "",
        contact: str = "",
        reports: ReportLinks | None = None,
        unix: Callable[[], float] = time.time,
    ):
        self.now = unix
        self._provider = provider
        self._clients = clients
        self._installations = installations
        self._override = override
        self._contact = contact
        self._reports = reports
        self._memos: OrderedDict[str, dict[str, Any]] = OrderedDict()
        clients.closed_before.append(self._close_memos)

    def base_url(self, default: str) -> str:
        """Return the base address of the provider."""
        return self._override or default.rstrip("/")

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float | None = None,
        pool: str = "",
        tenants: bool = False,
    ) -> Answer:
        """Send a request to the provider, or to an address of the tenant."""
        limit = seconds or self._provider.seconds
        if self._provider.http2:
            found = await self._clients.http2.request(
                method, url, headers=headers, body=body, seconds=limit, pool=f"{self._provider.name} {pool}"
            )
        else:
            is_operators = not tenants and self._is_operators(url)
            client = self._clients.operators if is_operators else self._clients.tenants
            found = await client.request(method, url, headers=headers, body=body, seconds=limit)
        return Answer(found.status, found.headers, found.body)

    def _is_operators(self, url: str) -> bool:
        """Return whether a URL is below the address that the operator has set."""
        return bool(self._override) and (
            url == self._override or url.startswith((f"{self._override}/", f"{self._override}?"))
        )

    async def connect(self, host: str, port: int, *, seconds: float | None = None) -> socket.socket:
        """Return a socket that is connected to a host of the tenant."""
        if fault := self._clients.rules.host_fault(host):
            raise OutboundRefusedError(f"The host {fault}")
        try:
            async with asyncio.timeout(seconds or self._provider.seconds):
                return await self._connected(host.strip("[]"), port)
        except (OSError, TimeoutError) as problem:
            raise NotSentError(f"No connection to {host}: {cause_of(problem)}") from None

    async def _connected(self, host: str, port: int) -> socket.socket:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if not all(self._clients.rules.allows(str(address[0])) for *_, address in found):
            raise OutboundRefusedError(f"{host} {PRIVATE_ADDRESS}")
        problem: OSError = OSError("no address")
        for family, kind, protocol, _, address in found:
            connection = socket.socket(family, kind, protocol)
            connection.setblocking(False)
            try:
                await loop.sock_connect(connection, address)
            except OSError as failure:
                problem = failure
                connection.close()
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise problem

    def tls(self) -> ssl.SSLContext:
        """Return the context for TLS on such a socket."""
        return self._clients.context

    def memo(self, key: str) -> dict[str, Any]:
        """Return a dictionary for what is cached by this key."""
        found = self._memos.get(key)
        if found is None:
            found = self._memos[key] = {}
            if len(self._memos) > MAX_MEMOS:
                self._memos.popitem(last=False)
        else:
            self._memos.move_to_end(key)
        return found

    def _close_memos(self) -> None:
        """Close what has a method `close`, such as the connections to a mail server."""
        for memo in self._memos.values():
            for value in memo.values():
                if callable(close := getattr(value, "close", None)):
                    close()
        self._memos.clear()

    def contact(self) -> str:
        """Return where push services reach the operator."""
        return self._contact

    def report_url(self, message: Message) -> str:
        """Return the address at which the provider reports."""
        if self._reports is None:
            return ""
        return self._reports.url(message.project_id, message.user_id, message.notification_id)

    async def installation(self, message: Message, kind: InstallationKind, place: str) -> Mapping[str, Any] | None:
        """Return what the user of a message has installed, with its secrets."""
        found = await self._installations.read(_user_of(message), place)
        return None if found is None else found.values

    async def replace_installation(
        self,
        message: Message,
        kind: InstallationKind,
        place: str,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> bool:
        """Save an installation that the provider has renewed."""
        user = _user_of(message)
        found = await self._installations.read(user, place)
        if found is None or found.values != before:
            return False
        return await self._installations.replace(user, place, after, kind.secrets, found) is not None


def _user_of(message: Message) -> User:
    """Return the user of a message, for the operations of stores that need no names."""
    return User(message.project_id, message.user_id, None, None)
