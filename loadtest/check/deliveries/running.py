"""What a topology needs to check deliveries: the providers, two projects, and the traffic."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from loadtest.check.deliveries.projects import first_project, prepare, second_project
from loadtest.check.deliveries.providers import FaultyProviders
from loadtest.check.deliveries.traffic import DeliveryTraffic
from loadtest.check.fault import Fault
from loadtest.check.observer import ReportViolation
from loadtest.providers.replies import PROVIDERS_WITH_URLS
from loadtest.servers.gateway import Gateway

DELIVERED_SECONDS = 100.0
"""How long the last delivery may take after a fault. One whose lane was parked waits for up to a minute."""

LOST_SECONDS = 30.0
"""The same after a fault that may have lost writes, so that some deliveries never end."""


@dataclass
class Deliveries:
    """The providers and the traffic of a topology."""

    providers: FaultyProviders
    traffic: DeliveryTraffic

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the gateways that deliver to the providers."""
        url = self.providers.server.url
        return {
            "INBOX_PROVIDER_URLS": ",".join(f"{kind.name}={url}" for kind in PROVIDERS_WITH_URLS),
            "INBOX_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
            "INBOX_DELIVERY_WORKERS": "1",
        }

    async def prepare(self, gateway: Gateway) -> None:
        """Save the integrations of two projects, and their users with destinations."""
        self.traffic.projects.append(await asyncio.to_thread(second_project, gateway))
        for project in self.traffic.projects:
            await prepare(project, gateway, self.providers.server.url)

    async def verify(self, gateway: Gateway, redis_url: str, report: ReportViolation, fault: Fault) -> None:
        """Wait until every delivery has ended, and judge it."""
        await self.traffic.check(
            gateway,
            redis_url,
            LOST_SECONDS if fault.may_lose else DELIVERED_SECONDS,
            report,
            may_repeat=fault.may_repeat,
            may_lose=fault.may_lose,
            may_vanish=fault.may_vanish,
        )


@contextlib.asynccontextmanager
async def running_providers() -> AsyncIterator[Deliveries]:
    """Run the providers for a block."""
    providers = FaultyProviders(0)
    await providers.server.start()
    try:
        yield Deliveries(providers, DeliveryTraffic(0, [first_project()], providers))
    finally:
        await providers.server.stop()
