"""The integrations of a project: a row for each operation on each kind of the registry."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from starlette.responses import Response

from gateway.api.core.answer_types import answer_type
from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.paging import PAGING, Links, whole_list_response
from gateway.api.core.problems import not_found
from gateway.api.core.responses import json_response, no_content
from gateway.api.core.schema import Hash, ResponseSpec, Uuid
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.registry import INTEGRATION_KINDS
from gateway.channels.routes import routes_of_integration
from gateway.domain.delivery import Lane
from gateway.domain.errors import invalid
from gateway.domain.ids import ProjectId
from gateway.domain.params import Problems
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.configurations import Configuration
from gateway.store.integrations import IntegrationStore
from gateway.store.lanes import LaneStore
from gateway.store.project_events import ProjectEvents


class Integration(msgspec.Struct):
    """An integration that the project has configured. Secrets in `config` are redacted."""

    config: Hash
    id: Uuid
    name: str


class IntegrationList(msgspec.Struct):
    """A page of integrations, newest first."""

    data: list[Integration]
    links: Links


INTEGRATIONS = ResponseSpec(200, "A page", IntegrationList)


@dataclass(frozen=True, slots=True)
class IntegrationsResource:
    """The operations on a project's integrations, with the stores that they use."""

    integrations: IntegrationStore
    events: ProjectEvents
    lanes: LaneStore

    async def list_all(self, call: ProjectCall) -> Response:
        """Return a page of the project's integrations of all kinds, newest first. Secrets are redacted."""
        return _page(call, await self.integrations.all(call.project.id))

    async def list_of_kind(self, kind: IntegrationKind, call: ProjectCall) -> Response:
        """Return the project's configuration of {title}, or none. Secrets are redacted."""
        found = await self.integrations.read(call.project.id, kind)
        return _page(call, [] if found is None else [(kind, found)])

    async def save(self, kind: IntegrationKind, call: ProjectCall) -> Response:
        """Save the project's configuration of {title}, in place of the present one, and return it.

        Secrets are encrypted at rest, and redacted in every response. A request that sends the redacted value keeps the
        saved secret.
        """
        # The vendor's Go client saves templates with a PUT that has no body.
        sent = call.fields(await call.body() or (b"{}" if kind.name == "templates" else b""))
        project_id = call.project.id
        while True:
            before = await self.integrations.read(project_id, kind)
            problems = Problems()
            values = kind.complete(sent, None if before is None else before.values, problems)
            if problems:
                raise invalid(*problems)
            saved = await self.integrations.replace(project_id, kind, values, before)
            if saved is not None:
                await self._unpark(project_id, kind)
                await self._record(project_id, kind, ProjectEventType.INTEGRATION_SAVED, saved.id)
                return json_response(kind.shown(saved.plain, saved.names))

    async def delete(self, kind: IntegrationKind, call: ProjectCall) -> Response:
        """Delete the project's configuration of {title}, if there is one."""
        await self._delete(kind, call.project.id)
        return no_content()

    async def delete_by_id(self, kind: IntegrationKind, call: ProjectCall) -> Response:
        """Delete the project's configuration of {title} that has this id."""
        if not await self._delete(kind, call.project.id, str(call.uuid("integration_id", "Integration"))):
            raise not_found("Integration")
        return no_content()

    async def _delete(self, kind: IntegrationKind, project_id: ProjectId, config_id: str = "") -> bool:
        deleted = await self.integrations.delete(project_id, kind, config_id)
        if deleted is None:
            return False
        await self._unpark(project_id, kind)
        await self._record(project_id, kind, ProjectEventType.INTEGRATION_DELETED, deleted.id)
        return True

    async def _unpark(self, project_id: ProjectId, kind: IntegrationKind) -> None:
        """Have deliveries tried again that wait because the provider refused the former configuration."""
        for route in routes_of_integration(kind.name):
            await self.lanes.unpark(Lane(project_id, route))

    async def _record(
        self, project_id: ProjectId, kind: IntegrationKind, event: ProjectEventType, config_id: str
    ) -> None:
        context = {"integration": kind.name, "integration_id": config_id}
        await self.events.write(project_id, ProjectEvent(event, context=context))


def _page(call: ProjectCall, found: list[tuple[IntegrationKind, Configuration]]) -> Response:
    """Return the response with the requested page. There are at most as many entries as kinds, so all were read."""
    entries: list[dict[str, Any]] = [
        {"config": kind.shown(each.plain, each.names), "id": each.id, "name": kind.name} for kind, each in found
    ]
    return whole_list_response(call, entries)


_KindHandler = Callable[[IntegrationsResource, IntegrationKind, ProjectCall], Awaitable[Response]]
_Handler = Callable[[IntegrationsResource, ProjectCall], Awaitable[Response]]


def _handler(method: _KindHandler, kind: IntegrationKind) -> _Handler:
    """Return the handler of an operation on one kind, with its description."""

    async def handle(resource: IntegrationsResource, call: ProjectCall) -> Response:
        return await method(resource, kind, call)

    handle.__doc__ = (method.__doc__ or "").format(title=kind.title)
    return handle


def _list_type(kind: IntegrationKind, component: str, config: Any) -> type[msgspec.Struct]:
    entry = msgspec.defstruct(
        f"{component}Integration",
        [("config", config), ("id", Uuid), ("name", Literal[kind.name])],
        namespace={"__doc__": f"The project's configuration of {kind.title}, with its secrets redacted."},
    )
    return msgspec.defstruct(
        f"{component}Integrations",
        [("data", list[entry]), ("links", Links)],  # type: ignore[valid-type] # made at run time
        namespace={"__doc__": f"The project's configuration of {kind.title}, or none."},
    )


def operations_of(kind: IntegrationKind) -> Iterable[AnyOperation]:
    """Yield the rows of one kind."""
    resource, path, tag = IntegrationsResource, f"/v2/integrations/{kind.name}", "Integrations"
    component = kind.config.name.removesuffix("Config")
    config = answer_type(kind.config, f"Saved{kind.config.name}", kind.nullable)
    listed = ResponseSpec(200, "The configuration", _list_type(kind, component, config))
    saved = ResponseSpec(200, "The saved configuration", config)
    body = Body("", kind.config, kind.example)
    rows: tuple[tuple[str, str, _KindHandler, str, dict[str, Any]], ...] = (
        ("GET", path, resource.list_of_kind, "Fetch", {"success": listed, "query": PAGING}),
        ("PUT", path, resource.save, "Save", {"success": saved, "body": body}),
        ("DELETE", path, resource.delete, "Delete", {}),
        ("DELETE", f"{path}/{{integration_id}}", resource.delete_by_id, "Delete by id", {}),
    )
    for method, address, handler, verb, more in rows:
        yield Operation(
            method,
            address,
            PROJECT,
            _handler(handler, kind),
            f"{verb}: {kind.title}",
            tag=tag,
            **more,
        )


OPERATIONS: list[AnyOperation] = [
    Operation(
        "GET",
        "/v2/integrations",
        PROJECT,
        IntegrationsResource.list_all,
        "List integrations",
        INTEGRATIONS,
        query=PAGING,
        tag="Integrations",
    ),
    *(row for kind in INTEGRATION_KINDS for row in operations_of(kind)),
]
