"""What `doctor` finds about who can reach the gateway: addresses, proxies, origins, and pages that are not public.

`examine_public_url` requests INBOX_PUBLIC_URL as a browser would, and so sees what the proxy in front of it does.
"""

import http.client
import ssl
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from gateway.domain.finding import Finding, advice, problem, warning
from gateway.settings import Settings

REQUEST_SECONDS = 5.0

CLOSED_PATHS = {
    "/admin/": "the dashboard",
    "/metrics": "the metrics",
    "/demo": "the demo",
}
"""What nobody outside needs, with its name. `/docs` describes a public API and has no data."""

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def examine_exposure(settings: Settings, *, offline: bool = True) -> Iterator[Finding]:
    """Yield the findings about the settings of addresses and origins.

    If it is not `offline`, `examine_public_url` finds out whether the dashboard is public.
    """
    if not settings.public_url:
        text = "INBOX_PUBLIC_URL is not set: links in mails and addresses in /config follow each request"
        yield advice("public url", text, "set it to the https address of your proxy, on every node")
    elif settings.public_url.startswith("http://") and not _is_local(settings.public_url):
        text = f"{settings.public_url} has no TLS: tokens and notifications cross the network in clear"
        yield advice("public url", text, "let your proxy serve https, and change INBOX_PUBLIC_URL")
    if offline or not settings.public_url:
        yield from _examine_dashboard(settings)
    if settings.demo == "on":
        text = "INBOX_DEMO is on: any visitor of /demo becomes a user of the demo project"
        yield advice("demo", text, "leave INBOX_DEMO unset, or set it to off")
    if any(each in ("0.0.0.0/0", "::/0") for each in settings.trusted_proxies):
        text = "INBOX_TRUSTED_PROXIES trusts every address: a client can claim any address, and escape limits"
        yield warning("proxies", text, "name the addresses of your proxies")


def examine_public_url(settings: Settings) -> Iterator[Finding]:
    """Request INBOX_PUBLIC_URL, and yield what is open, and whether a WebSocket gets through."""
    if not settings.public_url:
        return
    url = urlsplit(settings.public_url)
    try:
        status = _status(url, "/healthz")
    except (OSError, http.client.HTTPException) as fault:
        text = f"{settings.public_url} cannot be reached from here: {fault}"
        yield advice("public url", text, "check it from outside: curl -i …/healthz must return 200")
        yield from _examine_dashboard(settings)
        return
    if status != 200:
        text = f"{settings.public_url}/healthz returned {status}: clients do not reach the gateway"
        yield problem("public url", text, "look at the path and the upstream in the proxy's configuration")
        yield from _examine_dashboard(settings)
        return
    yield Finding("public url", f"{settings.public_url} is served")
    for path, name in CLOSED_PATHS.items():
        if _answer(url, path) in (200, 303, 307):
            text = f"{name} can be reached from here at {settings.public_url}{path}"
            do = f"close {path.rstrip('/')} in the proxy, unless it lets only your own network in"
            yield advice("dashboard" if "admin" in path else "public url", text, do)
    if (status := _answer(url, "/realtime/ws", upgrade=True)) != 101:
        text = f"a WebSocket does not get through the proxy: {status or 'no response'}"
        do = "forward Upgrade and Connection for /realtime/ws; clients use slower transports meanwhile"
        yield warning("proxies", text, do)


def _examine_dashboard(settings: Settings) -> Iterator[Finding]:
    """Yield a finding if the dashboard is as public as the API, unless a proxy closes it."""
    if settings.admin == "on" and not settings.admin_port:
        text = "the dashboard is served on the port of the API"
        do = "close /admin in the proxy, or set INBOX_ADMIN_PORT to a port that is not public"
        yield advice("dashboard", text, do)


def _answer(url: SplitResult, path: str, *, upgrade: bool = False) -> int:
    """Return the status of a request, 0 if there is no response."""
    try:
        return _status(url, path, upgrade=upgrade)
    except (OSError, http.client.HTTPException):
        return 0


def _status(url: SplitResult, path: str, *, upgrade: bool = False) -> int:
    """Return the status of a request to a path below the public URL. Raises OSError and HTTPException."""
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(url.netloc, timeout=REQUEST_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(url.netloc, timeout=REQUEST_SECONDS)
    headers = {"User-Agent": "inbox-gateway doctor"}
    if upgrade:
        headers |= {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "ZG9jdG9yIGRvY3RvciBkbw==",  # any 16 bytes: the response is not verified
            "Sec-WebSocket-Protocol": "inbox.v1",
        }
    try:
        connection.request("GET", url.path + path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _is_local(url: str) -> bool:
    netloc = urlsplit(url).netloc
    return netloc.rpartition(":")[0] in _LOOPBACK or netloc in _LOOPBACK
