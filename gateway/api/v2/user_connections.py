"""The live connections of a user, on all nodes."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec, Time
from gateway.api.v1.identity import find_user
from gateway.domain.event import Position
from gateway.domain.principal import User
from gateway.domain.times import rfc3339
from gateway.store import keys
from gateway.store.directory import Directory
from gateway.store.presence import ConnectionFacts, PresenceQuestions
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import decoding


class UserConnection(msgspec.Struct):
    """A live connection.

    `opened_at` is known to some seconds, and less exactly for old connections. `state` is `live`, or `replaying` while
    the log is read. `events_behind` is how many events the client was not sent yet; null while that is not known.
    `origin` is that of the web page, and `network` that of the peer, without the rest of its address; null behind
    proxies. `proof` is `token`, or `key` for an HMAC, an API secret or none.
    """

    id: Annotated[str, Meta(examples=["4f1c2a-17"])]
    node_id: Annotated[str, Meta(examples=["4f1c2a"])]
    transport: Annotated[str, Meta(examples=["websocket"])]
    opened_at: Time
    state: Annotated[str, Meta(examples=["live"])]
    events_behind: Annotated[int | None, Meta(examples=[0])]
    origin: Annotated[str | None, Meta(examples=["https://app.example.com"])]
    network: Annotated[str | None, Meta(examples=["192.0.2.0/24"])]
    proof: Annotated[str, Meta(examples=["token"])]


class UserConnections(msgspec.Struct):
    """The connections, the newest first.

    `total` counts them all, of which a node lists at most 100. `silent_nodes` is how many nodes have connections of the
    user, but did not answer within half a second: then some are missing.
    """

    data: list[UserConnection]
    total: Annotated[int, Meta(examples=[1])]
    silent_nodes: Annotated[int, Meta(examples=[0])]


FOUND = ResponseSpec(200, "The connections", UserConnections)


@dataclass(frozen=True, slots=True)
class UserConnectionsResource:
    """The operation on the connections of a user, with what it uses."""

    client: FunctionClient
    directory: Directory
    questions: PresenceQuestions

    async def list_all(self, call: ProjectCall) -> Response:
        """Return where and how a user is connected now. The path names the user as in `GET /v2/users/{user}`.

        The nodes are asked when this is called, so it is exact at that moment.
        """
        user = await find_user(self.directory, call.project.id, call.text("user"))
        presence = await self.questions.ask(user)
        last = await self._last(user)
        found = [(each.worker, connection) for each in presence.answers for connection in each.connections]
        found.sort(key=lambda each: -each[1].since)
        return json_response(
            UserConnections(
                [_shown(worker, connection, last) for worker, connection in found],
                sum(each.total for each in presence.answers),
                presence.silent_workers,
            )
        )

    async def _last(self, user: User) -> Position | None:
        """Return the position of the user's last event."""
        epoch, offset = await self.client.command("HMGET", keys.user(user.project_id, user.id), "epoch", "offset")
        with decoding("the position of a user"):
            return Position(epoch.decode(), int(offset)) if epoch and offset else None


def _shown(worker: str, connection: ConnectionFacts, last: Position | None) -> UserConnection:
    position = Position.parse(connection.position) if connection.position else None
    is_comparable = position is not None and last is not None and position.epoch == last.epoch
    return UserConnection(
        connection.connection_id,
        worker,
        connection.transport,
        rfc3339(connection.since),
        connection.state,
        max(0, last.offset - position.offset) if is_comparable and last and position else None,
        connection.origin or None,
        connection.network or None,
        connection.proof,
    )


OPERATIONS = [
    Operation(
        "GET",
        "/v2/users/{user}/connections",
        PROJECT,
        UserConnectionsResource.list_all,
        "List a user's live connections",
        FOUND,
        tag="Figures",
    )
]
