"""What `doctor` finds about deliveries: integrations, parked lanes, and channels that nothing can be sent on."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from gateway.cli.machine_findings import is_installed
from gateway.domain.finding import Finding, advice, problem, warning
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.channels.provider import Links, Provider
    from gateway.domain.principal import Project
    from gateway.store.configurations import Configuration
    from gateway.store.redis.client import FunctionClient

MAX_PROJECTS = 100
"""With more projects, providers are asked only about the one that `--api-key` names."""

CHECK_SECONDS = 15.0
CHECKS_AT_ONCE = 10

TOPIC = "deliveries"


async def examine_deliveries(
    settings: Settings, client: "FunctionClient", projects: "Sequence[Project]", *, offline: bool
) -> AsyncIterator[Finding]:
    """Yield findings about the deliveries of projects. With `offline`, no provider is contacted."""
    from gateway.delivery.senders import clients_of, senders_of
    from gateway.store.installations import InstallationStore

    if settings.embedded and not settings.delivery_workers:
        text = "INBOX_DELIVERY_WORKERS is 0, and no other machine reaches the bundled Valkey: nothing is delivered"
        yield warning(TOPIC, text, "set INBOX_DELIVERY_WORKERS to 1, or use a Redis of your own")
    clients = clients_of(settings)
    try:
        senders = senders_of(settings, clients, InstallationStore(client, settings.secret_key))
        links = {} if offline else {name: sender.links for name, sender in senders.items()}
        checked = 0
        for project in projects:
            found, count = await _examine_project(settings, client, project, links)
            checked += count
            for finding in found:
                yield finding
        if checked:
            yield Finding(TOPIC, f"{checked} integration{'s' * (checked != 1)} checked with their providers")
    finally:
        await clients.close()


async def _examine_project(
    settings: Settings, client: "FunctionClient", project: "Project", links: "dict[str, Links]"
) -> tuple[list[Finding], int]:
    """Return the findings about a project, and how many integrations were checked."""
    from gateway.channels.registry import PROVIDERS
    from gateway.domain.delivery import Route, routes_of
    from gateway.store.delivery_configs import DeliveryConfigStore
    from gateway.store.integrations import IntegrationStore
    from gateway.store.lanes import LaneStore

    saved = {kind.name: each for kind, each in await IntegrationStore(client, settings.secret_key).all(project.id)}
    providers = [each for each in PROVIDERS if each.integration is not None and each.integration.name in saved]
    limit = asyncio.Semaphore(CHECKS_AT_ONCE)

    async def faults_of(provider: "Provider") -> str | None:
        assert provider.integration is not None
        async with limit:
            return await _fault(provider, saved[provider.integration.name], links.get(provider.name))

    faults = await asyncio.gather(*(faults_of(each) for each in providers))
    findings = [
        warning(TOPIC, f"{each.name} of {project.api_key}: {fault}", "correct it, and save the integration again")
        for each, fault in zip(providers, faults, strict=True)
        if fault
    ]
    if not settings.public_url and saved.keys() & set(Route.EMAIL.value.integrations):
        text = f"emails of {project.api_key} have no link to unsubscribe"
        findings.append(advice(TOPIC, text, "set INBOX_PUBLIC_URL, on the processes that deliver as well"))
    if "templates" in saved and not is_installed("liquid"):
        text = f"{project.api_key} has templates, and their package is not installed"
        findings.append(problem("extras", text, "pip install 'inbox-gateway[templates]', where messages are delivered"))
    for lane in await LaneStore(client).of_project(project.id):
        if lane.parked:
            text = f"{lane.lane.route.name.lower()} of {project.api_key} is stopped ({lane.parked})"
            findings.append(warning(TOPIC, text, "save its integration"))
    for config in (await DeliveryConfigStore(client).of_project(project.id)).all():
        for step in config.steps:
            needed = [route.value.integrations for route in routes_of(step.channel)]
            if needed and all(needed) and not any(saved.keys() & set(names) for names in needed):
                uses = f"the config '{config.key}' of {project.api_key} uses {step.channel.value}"
                text = f"{uses}, for which no integration is saved"
                findings.append(warning(TOPIC, text, "save one, or remove the channel from the config"))
    return findings, sum(fault is not None for fault in faults)


async def _fault(provider: "Provider", saved: "Configuration", links: "Links | None") -> str | None:
    """Return the fault of a configuration, "" for none, None if it was not checked."""
    if len(saved.secrets) < len(saved.names):
        return "another secret key encrypted its secrets"
    if provider.check is None or links is None:
        return None
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await provider.check(saved.values, links)
    except Exception as problem:  # of any provider; the others are checked nevertheless
        return f"it could not be checked: {type(problem).__name__}"
