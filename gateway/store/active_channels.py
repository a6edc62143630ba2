"""The routes that projects use, besides the inbox.

A project uses a route if it has saved an integration that the route needs. It uses a route that needs none once a token
of its kind was registered. A project that uses no route pays nothing for deliveries.

The kind of a token is recorded when the token is claimed (`claim_channel_token`), and the claims are counted. Gateways
of before that count nothing. While the count is not the number of claims, a token of any kind may exist.
"""

from gateway.domain.delivery import Route
from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.redis.client import FunctionClient

_BY_INTEGRATION = {route: route.value.integrations for route in Route if route.value.integrations}
_BY_TOKENS = tuple(route for route in Route if route.token_kind and not route.value.integrations)
_NAMES = tuple(dict.fromkeys(name for names in _BY_INTEGRATION.values() for name in names))


class ActiveRoutes:
    """Reads the routes that projects use."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def of_project(self, project_id: ProjectId) -> tuple[Route, ...]:
        """Return the routes that a project uses, in their order, without webhooks. Raises StoreUnavailableError."""
        holders, integrations = keys.token_holders(project_id), keys.integrations(project_id)
        claims, kinds, *saved = await self._client.commands(
            ("HMGET", holders, ""),
            ("HGETALL", keys.token_kinds(project_id)),
            *(("HEXISTS", integrations, name) for name in _NAMES),
        )
        counted = dict(zip(kinds[::2], kinds[1::2], strict=True))
        is_complete = counted.get(b"", b"0") == (claims[0] or b"0")
        found = {name for name, is_saved in zip(_NAMES, saved, strict=True) if is_saved}
        return tuple(
            route
            for route in Route
            if (route in _BY_INTEGRATION and found.intersection(_BY_INTEGRATION[route]))
            or (route in _BY_TOKENS and (not is_complete or route.token_kind.encode() in counted))
        )
