"""The processes of the gateway and its Redis servers, for admins."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from gateway.api.admin.shapes import TAG
from gateway.api.core.call import ADMIN, AdminCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec, Time
from gateway.api.v2.delivery_lanes import shown
from gateway.domain.admin import EVERY_WORKSPACE, Admin, Role
from gateway.domain.ids import ProjectId
from gateway.domain.times import rfc3339_ms
from gateway.store.lanes import LaneStore
from gateway.store.nodes import NodeReport, NodeStore
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.health import ServerHealth, server_healths

LANES = 1000
"""How many lanes are read: those that are parked, and those that wait longest."""


class NodeProject(msgspec.Struct):
    """The live connections of a project on a process."""

    project_id: str
    connections: int


class GatewayNode(msgspec.Struct):
    """A process: a `worker`, which serves requests and connections, or a `deliverer`.

    It reports every two seconds, and is no longer listed 12 seconds after it has died. `largest_projects` are the ten
    with the most connections, of those that the admin may enter. `loop_lag_ms` is the longest delay of its event loop
    since the report before, and `redis_ms` how long Redis took for that report.
    """

    id: Annotated[str, Meta(examples=["4f1c2a"])]
    kind: Annotated[str, Meta(examples=["worker"])]
    version: Annotated[str, Meta(examples=["1.0.0"])]
    host: Annotated[str, Meta(examples=["web-1"])]
    pid: Annotated[int, Meta(examples=[4711])]
    started_at: Time
    reported_at: Time
    connections: Annotated[int, Meta(examples=[812])]
    connections_by_transport: Annotated[
        dict[str, int], Meta(examples=[{"websocket": 800, "sse": 12, "sse_http10": 0, "long_poll": 0}])
    ]
    projects: Annotated[int, Meta(examples=[3])]
    largest_projects: list[NodeProject]
    loop_lag_ms: Annotated[float, Meta(examples=[1.2])]
    redis_ms: Annotated[float | None, Meta(examples=[0.4])]


class RedisServer(msgspec.Struct):
    """A Redis or Valkey server that accepts writes: in a cluster, a primary.

    `problem` says why it did not reply; then nothing else is known. `max_memory` is null without a limit.
    `persistence` is `aof`, `rdb` or `none`; `saves_well` is false after a write to its disk failed.
    """

    name: Annotated[str, Meta(examples=["127.0.0.1:6379"])]
    problem: str | None
    version: Annotated[str, Meta(examples=["valkey 8.1.1"])]
    role: Annotated[str, Meta(examples=["primary"])]
    used_memory: Annotated[int, Meta(examples=[104857600])]
    max_memory: Annotated[int | None, Meta(examples=[1073741824])]
    policy: Annotated[str, Meta(examples=["noeviction"])]
    evicted_keys: Annotated[int, Meta(examples=[0])]
    clients: Annotated[int, Meta(examples=[24])]
    replicas: Annotated[int, Meta(examples=[1])]
    uptime_seconds: Annotated[int, Meta(examples=[86400])]
    commands_per_second: Annotated[int, Meta(examples=[320])]
    persistence: Annotated[str, Meta(examples=["aof"])]
    saves_well: bool


class LaneSummary(msgspec.Struct):
    """The deliveries of all projects that the admin may enter, by the state of their lanes.

    `waiting` is how many users have something to be sent, and `oldest_seconds` for how long the first of it is due.
    `truncated` says that there are more lanes than were read.
    """

    lanes: Annotated[dict[str, int], Meta(examples=[{"running": 3, "parked": 1}])]
    waiting: Annotated[int, Meta(examples=[17])]
    oldest_seconds: Annotated[int, Meta(examples=[2])]
    truncated: bool


class NodeList(msgspec.Struct):
    """The processes, the Redis servers and a summary of deliveries."""

    nodes: list[GatewayNode]
    redis: list[RedisServer]
    deliveries: LaneSummary


LISTED = ResponseSpec(200, "The processes", NodeList)


@dataclass(frozen=True, slots=True)
class NodesResource:
    """The operation on nodes, with what it uses."""

    client: FunctionClient
    nodes: NodeStore
    lanes: LaneStore
    projects: ProjectStore

    async def list_all(self, call: AdminCall) -> Response:
        """Return the processes that run now, how the Redis servers are, and how deliveries proceed."""
        admin = call.principal.admin
        entered = _Entered(admin, self.projects)
        nodes = [await self._shown(each, entered) for each in await self.nodes.all()]
        redis = [_server(each) for each in await server_healths(self.client)]
        return json_response(NodeList(nodes, redis, await self._deliveries(entered)))

    async def _shown(self, report: NodeReport, entered: "_Entered") -> GatewayNode:
        largest = [
            NodeProject(project_id, count)
            for project_id, count in report.largest
            if await entered.allows(ProjectId(project_id))
        ]
        return GatewayNode(
            report.id,
            report.kind,
            report.version,
            report.host,
            report.pid,
            rfc3339_ms(report.started_ms),
            rfc3339_ms(report.at_ms),
            sum(report.connections.values()),
            dict(report.connections),
            report.projects,
            largest,
            report.loop_lag_ms,
            report.redis_ms,
        )

    async def _deliveries(self, entered: "_Entered") -> LaneSummary:
        found = await self.lanes.all(LANES)
        own = [each for each in found if await entered.allows(each.lane.project_id)]
        lanes = [shown(each, time.time()) for each in own]
        return LaneSummary(
            dict(sorted(Counter(each.state for each in lanes).items())),
            sum(each.waiting for each in lanes),
            max((each.lag_seconds for each in lanes), default=0),
            len(found) >= LANES,
        )


class _Entered:
    """The projects that an admin may enter, as far as they are asked for."""

    def __init__(self, admin: Admin, projects: ProjectStore):
        self._admin = admin
        self._projects = projects
        self._known: dict[ProjectId, bool] = {}

    async def allows(self, project_id: ProjectId) -> bool:
        """Return whether the admin may enter a project."""
        if self._admin.role_in(EVERY_WORKSPACE) is not None:
            return True
        if project_id not in self._known:
            project = await self._projects.by_id(project_id)
            self._known[project_id] = project is not None and self._admin.role_in(project.workspace_id) is not None
        return self._known[project_id]


def _server(health: ServerHealth) -> RedisServer:
    return RedisServer(
        health.name,
        health.problem or None,
        health.version,
        health.role,
        health.used_memory,
        health.max_memory or None,
        health.policy,
        health.evicted_keys,
        health.clients,
        health.replicas,
        health.uptime,
        health.commands_per_second,
        health.persistence,
        health.is_saving_well,
    )


OPERATIONS = [
    Operation(
        "GET",
        "/admin/api/nodes",
        ADMIN,
        NodesResource.list_all,
        "List nodes and Redis servers",
        LISTED,
        tag=TAG,
        role=Role.VIEWER,
    )
]
