"""`deliver`: a process that delivers, beside the workers or on a machine of its own."""

import click

from gateway import __version__
from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.errors import DeliveryStoreError, UnknownProviderError
from gateway.server.listening_socket import listen_for_metrics
from gateway.settings import Settings
from gateway.telemetry.logs import log


def check_provider_urls(settings: Settings) -> None:
    """Raise UnknownProviderError if INBOX_PROVIDER_URLS names something that is not a provider."""
    if not settings.provider_urls:
        return
    from gateway.channels.registry import INTEGRATION_KINDS, PROVIDERS

    known = {*(provider.name for provider in PROVIDERS), *(kind.name for kind in INTEGRATION_KINDS)}
    for name, _ in settings.provider_urls:
        if name not in known:
            raise UnknownProviderError(f"INBOX_PROVIDER_URLS names {name!r}; there are {', '.join(sorted(known))}")


@click.command()
@click.option("--ready-fd", type=int, hidden=True)
def deliver(ready_fd: int | None) -> None:
    """Deliver to phones, browsers, chats, mail and webhooks.

    `serve` starts INBOX_DELIVERY_WORKERS of these processes. Start more on other machines, with the same
    settings: INBOX_REDIS_URL, INBOX_SECRET_KEY, INBOX_PUBLIC_URL for links in emails, and those about outgoing requests
    (INBOX_OUTBOUND_ALLOWED_NETWORKS, INBOX_PROVIDER_*, INBOX_PUSH_CONTACT). Each takes a share of what is due. With
    INBOX_METRICS_PORT it serves /metrics, /healthz and /readyz. SIGTERM lets it finish what it is sending, for at most
    INBOX_DRAIN_SECONDS.
    """
    from gateway.deliverer_app import run
    from gateway.telemetry.metrics import configure_logging

    settings = read_settings()
    if ready_fd is None and settings.embedded:
        raise DeliveryStoreError(
            "set INBOX_REDIS_URL: `serve` delivers itself with the bundled Valkey, which other machines cannot reach"
        )
    check_provider_urls(settings)
    settings = with_secret_key(settings)
    configure_logging(settings.log_level)
    metrics_sock = listen_for_metrics(settings) if ready_fd is None and settings.metrics_port else None
    if ready_fd is None:
        log.info("starting", version=__version__, store="INBOX_REDIS_URL", command="deliver")
    run(settings, ready_fd, metrics_sock)
    if ready_fd is None:
        log.info("stopped")
