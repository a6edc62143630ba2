"""The address at which this machine reaches the gateway."""

from dataclasses import replace

from gateway.settings import Settings

_WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound to


def base_address(settings: Settings) -> str:
    """Return the URL at which this machine reaches the gateway."""
    host = settings.host
    if host in _WILDCARDS:
        host = "127.0.0.1"
    if ":" in host:
        host = f"[{host.replace('%', '%25')}]"  # RFC 3986, 3.2.2, and RFC 6874 for the zone
    return f"http://{host}:{settings.port}"


def metrics_base(settings: Settings) -> str:
    """Return the URL to which `/metrics` is appended: that of the metrics' listener, if they have their own."""
    if settings.metrics_port:
        return base_address(replace(settings, host=settings.metrics_host or settings.host, port=settings.metrics_port))
    return base_address(settings)


def dashboard_base(settings: Settings) -> str:
    """Return the URL to which `/admin` is appended: that of the dashboard's listener, if it has its own."""
    if settings.admin_port:
        return base_address(replace(settings, host=settings.admin_host or settings.host, port=settings.admin_port))
    return settings.public_url or base_address(settings)
