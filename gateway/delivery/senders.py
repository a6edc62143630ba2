"""The senders of all providers, as the settings connect them."""

from pathlib import Path

from gateway.auth.report_links import ReportLinks
from gateway.channels import registry
from gateway.delivery.links import Clients, ProviderLinks
from gateway.delivery.sender import Sender
from gateway.settings import Settings
from gateway.store.installations import InstallationStore


def clients_of(settings: Settings) -> Clients:
    """Return the HTTP clients. Call their `close` at the end."""
    return Clients(settings.outbound_rules, Path(settings.provider_ca_file) if settings.provider_ca_file else None)


def senders_of(settings: Settings, clients: Clients, installations: InstallationStore) -> dict[str, Sender]:
    """Return a sender for each provider, by its name."""
    urls = dict(settings.provider_urls)
    contact = settings.push_contact or settings.public_url
    reports = ReportLinks(settings.secret_key, settings.public_url)
    return {
        provider.name: Sender(
            provider, ProviderLinks(provider, clients, installations, urls.get(provider.name, ""), contact, reports)
        )
        for provider in registry.PROVIDERS
    }
