"""Answers to questions about the connections of a user on this worker. See `gateway/store/presence.py`."""

import contextlib
import ipaddress
from collections.abc import Coroutine
from typing import Any

import msgspec

from gateway.live.connection import Connection
from gateway.live.figures import LiveFigures
from gateway.live.user_subscription import UserSubscription
from gateway.store.presence import MAX_CONNECTIONS, ConnectionFacts, WorkerAnswer, read_question
from gateway.store.redis.client import FunctionClient, StoreUnavailableError

_PREFIXES = {4: 24, 6: 48}
"""How much of an address is shown, by its version: the network, and not the machine."""


class PresenceAnswers:
    """Describes connections. `shows_peers` is false where proxies are in front, whose addresses would be shown."""

    def __init__(self, client: FunctionClient, worker_id: str, figures: LiveFigures, *, shows_peers: bool):
        self._client = client
        self._worker_id = worker_id
        self._figures = figures
        self._shows_peers = shows_peers

    def answer(self, subscription: UserSubscription[Connection], message: bytes) -> Coroutine[Any, Any, None]:
        """Return the work of answering a question. Raises ValueError for a message that is none."""
        channel, number = read_question(message)
        connections = subscription.connections
        answer = WorkerAnswer(
            self._worker_id, len(connections), [self._facts(each) for each in connections[:MAX_CONNECTIONS]]
        )
        return self._publish(channel, number + b" " + msgspec.json.encode(answer))

    async def _publish(self, channel: str, answer: bytes) -> None:
        with contextlib.suppress(StoreUnavailableError):  # then nobody can receive it
            await self._client.publish(channel, answer)

    def _facts(self, connection: Connection) -> ConnectionFacts:
        session = connection.session
        _, _, number = session.connection_id.rpartition("-")
        return ConnectionFacts(
            session.connection_id,
            connection.name,
            self._figures.since(int(number)),
            session.state.value,
            connection.origin or "",
            self._network(connection),
            str(session.position) if session.position is not None else "",
            "token" if connection.token[1] is not None else "key",
        )

    def _network(self, connection: Connection) -> str:
        peer = connection.transport.get_extra_info("peername") if self._shows_peers else None
        return network_of(peer[0]) if isinstance(peer, tuple) else ""


def network_of(address: str) -> str:
    """Return the network of an address, such as 192.0.2.0/24, "" for what is no address."""
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{address}/{_PREFIXES[version]}", strict=False))
