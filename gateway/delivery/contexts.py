"""The context of a lane: which provider sends for it now, with which configuration, and how the project looks."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from gateway.auth.unsubscribe_links import UnsubscribeLinks
from gateway.channels import inbox, registry, templates
from gateway.channels.email_brand import brand_of
from gateway.channels.message import Brand
from gateway.channels.provider import Provider, Schedule
from gateway.channels.routes import providers_of
from gateway.delivery.policy import Rules
from gateway.delivery.templating import Templates
from gateway.delivery.user_work import LaneContext, Render
from gateway.domain.delivery import Lane, Route
from gateway.domain.ids import ProjectId
from gateway.store.configurations import Configuration
from gateway.store.delivery_configs import DeliveryConfigStore
from gateway.store.integrations import IntegrationStore
from gateway.store.projects import ProjectStore

BRAND_SECONDS = 30.0
"""How long the look of a project is cached."""

MAX_BRANDS = 10_000


class UnreadableConfigurationError(Exception):
    """The secrets of a configuration cannot be decrypted with the secret key of this process."""


class Contexts:
    """Builds the contexts of lanes. Everything that is read often is cached for a few seconds.

    `repeats_unknown` is the setting by which all providers repeat messages whose outcome is unknown.
    """

    def __init__(
        self,
        projects: ProjectStore,
        integrations: IntegrationStore,
        configs: DeliveryConfigStore,
        *,
        repeats_unknown: bool = False,
        unsubscribe: UnsubscribeLinks | None = None,
        providers: Sequence[Provider] = registry.PROVIDERS,
        monotonic: Callable[[], float] = time.monotonic,
    ):
        self._projects = projects
        self._integrations = integrations
        self._configs = configs
        self._repeats_unknown = repeats_unknown
        self._unsubscribe = unsubscribe
        self._templates = Templates()
        self._monotonic = monotonic
        self._providers = {route: providers_of(route, providers) for route in Route}
        self._brands: dict[ProjectId, tuple[float, Brand]] = {}

    async def of(self, lane: Lane) -> LaneContext:
        """Return the context of a lane. Raises UnreadableConfigurationError and StoreUnavailableError."""
        if lane.project_id not in self._brands:
            await self._read_together(lane)
        provider, configuration = await self._provider(lane)
        values: Mapping[str, Any] = {}
        if configuration is not None:
            if len(configuration.secrets) < len(configuration.names):
                raise UnreadableConfigurationError
            values = configuration.values
        return LaneContext(
            route=lane.route,
            rules=self._rules(provider),
            provider=provider,
            config=values,
            config_id=configuration.id if configuration is not None else "",
            brand=await self._brand(lane.project_id),
            configs=await self._configs.of_project(lane.project_id),
            unsubscribe=self._unsubscribe,
            render=await self._render(lane.project_id),
        )

    async def _read_together(self, lane: Lane) -> None:
        """Fill the caches of a project that is new here in one round trip. In a busy process each takes long."""
        kinds = [each.integration for each in self._providers[lane.route] if each.integration is not None]
        await asyncio.gather(
            self._configs.of_project(lane.project_id),
            *(
                self._integrations.cached(lane.project_id, kind)
                for kind in (*kinds, inbox.INTEGRATION, templates.INTEGRATION)
            ),
        )

    async def _render(self, project_id: ProjectId) -> Render | None:
        """Return what renders the templates of a project, None if it has none."""
        saved = await self._integrations.cached(project_id, templates.INTEGRATION)
        return None if saved is None else partial(self._templates.render, saved.values)

    def batch_of(self, route: Route) -> int:
        """Return how many messages a request has at most on a route."""
        return max((each.batch for each in self._providers[route]), default=1)

    def name_of(self, route: Route) -> str:
        """Return the name of the only provider of a route, "" if there are several."""
        found = self._providers[route]
        return found[0].name if len(found) == 1 else ""

    def _rules(self, provider: Provider | None) -> Rules:
        if provider is None:
            return Rules(Schedule.PROMPT, repeats_unknown=False)
        return Rules(provider.schedule, provider.repeats_unknown or self._repeats_unknown)

    async def _provider(self, lane: Lane) -> tuple[Provider | None, Configuration | None]:
        """Return the provider that sends for a lane, with its configuration."""
        fallback: Provider | None = None
        for provider in self._providers[lane.route]:
            if provider.integration is None:
                return provider, None
            configuration = await self._integrations.cached(lane.project_id, provider.integration)
            if configuration is not None:
                return provider, configuration
            if provider.optional_integration:
                fallback = fallback or provider
        return fallback, None

    async def _brand(self, project_id: ProjectId) -> Brand:
        now = self._monotonic()
        until, brand = self._brands.get(project_id, (0.0, None))
        if brand is None or until < now:
            project = await self._projects.by_id(project_id)
            look = await self._integrations.cached(project_id, inbox.INTEGRATION)
            brand = brand_of(project.name if project is not None else "", look.values if look is not None else None)
            if len(self._brands) >= MAX_BRANDS:
                self._brands.clear()
            self._brands[project_id] = (now + BRAND_SECONDS, brand)
        return brand
