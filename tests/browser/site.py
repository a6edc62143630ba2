"""A site whose pages embed the bell of a gateway of another origin, and its backend."""

import contextlib
import html
import os
import signal
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.browser.network import Network, running_network
from tests.browser.page_server import REPORTS, PageServer, running_page_server
from tests.live.clients import user_token
from tests.servers import ADMIN, API_KEY, Gateway, user_headers, user_hmac, wait_for

STYLE = """
:root { color-scheme: light dark; background: light-dark(#fcfcfd, #111113); font: 14px/20px system-ui, sans-serif; }
body { margin: 0; color: light-dark(#1c2024, #edeef0); }
header { display: flex; align-items: center; justify-content: space-between; padding-block: 8px;
  padding-inline: 16px; border-block-end: 1px solid light-dark(#d9d9e0, #363a3f); }
main { padding: 16px; max-inline-size: 560px; }
"""


@dataclass(frozen=True)
class Site:
    """Pages of an origin, the gateway, and the network between browsers and the gateway."""

    gateway: Gateway
    network: Network
    pages: PageServer
    http: httpx.Client
    """A client of the gateway, without the network between browsers and it."""

    @property
    def url(self) -> str:
        """The address at which browsers reach the gateway."""
        return f"http://127.0.0.1:{self.network.port}"

    @property
    def policy(self) -> str:
        """A strict Content-Security-Policy with Trusted Types, which allows what is documented for the bell."""
        return (
            f"default-src 'self' {self.url}; connect-src 'self' {self.url} ws://127.0.0.1:{self.network.port}; "
            f"require-trusted-types-for 'script'; report-uri {REPORTS}"
        )

    # ---- pages

    def script(self) -> str:
        """Return the tag that loads the bell."""
        return f'<script type="module" src="{self.url}/inbox-bell.js"></script>'

    def element(self, user: str, name: str = "inbox-bell", /, **attributes: str | None) -> str:
        """Return an element for a user, signed by HMAC. Further attributes are in snake case; None removes one."""
        signed = {"api_key": API_KEY, "user_external_id": user, "user_hmac": user_hmac(user)}
        known = ((key.replace("_", "-"), value) for key, value in (signed | attributes).items() if value is not None)
        written = " ".join(f'{key}="{html.escape(value)}"' for key, value in known)
        return f"<{name} {written}></{name}>"

    def page(
        self, *elements: str, head: str = "", main: str = "", strict: bool = False, attributes: str = 'lang="en"'
    ) -> str:
        """Add a page of a shop with elements in its header. Return its address."""
        title = "<h1>Orders</h1><p>Three of your orders are on their way.</p>"
        body = f"<header><strong>Shop</strong><div>{''.join(elements)}</div></header><main>{main or title}</main>"
        style = '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/style.css">'
        head = style + self.script() + head
        return self.pages.add_page(body, head=head, attributes=attributes, policy=self.policy if strict else "")

    def bell_page(self, user: str, **attributes: str | None) -> str:
        """Add a page with a bell for a user. Return its address."""
        return self.page(self.element(user, "inbox-bell", **attributes))

    # ---- the backend

    def send(self, title: str, *users: str, **fields: Any) -> str:
        """Send a notification. Return its id."""
        body = {"notification": {"title": title, "recipients": [{"external_id": user} for user in users], **fields}}
        return str(self.request("POST", "/notifications", json=body).json()["notification"]["id"])

    def request(self, method: str, path: str, user: str = "", **arguments: Any) -> httpx.Response:
        """Send a request to the gateway, as a user if one is given, otherwise as the backend. Raise for a refusal."""
        headers = user_headers(user) if user else ADMIN
        return self.http.request(method, path, headers=headers, **arguments).raise_for_status()

    def inbox(self, user: str, **query: str) -> dict[str, Any]:
        """Return the first page of a user's notifications, which has all counts."""
        found: dict[str, Any] = self.request("GET", "/notifications", user, params=query).json()
        return found

    def token(self, user: str, seconds: int = 600, **claims: Any) -> str:
        """Return a token of a user that ends after some seconds."""
        return user_token(user, seconds, **claims)

    def revoke_tokens(self, user: str) -> int:
        """End all tokens of a user that were issued so far, and their connections. Return the first valid `iat`."""
        return int(self.request("POST", f"/users/external_id:{user}/revoke_tokens", json={}).json()["issued_before"])

    def kill_worker(self) -> None:
        """Kill the gateway's worker (SIGKILL), and wait for the next one."""
        [killed] = self.gateway.children("worker")
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{killed}").exists(), "the worker to end")
        wait_for(self.gateway.ready, "another worker", 30)


@contextlib.contextmanager
def running_site(gateway: Gateway) -> Iterator[Site]:
    """Run the pages and the network of a gateway for a block."""
    # HTTP without TLS: loading the certificate authorities would take 30 ms for each client.
    no_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with (
        running_network(gateway.port) as network,
        running_page_server() as pages,
        httpx.Client(base_url=gateway.url, timeout=10, verify=no_authorities) as http,
    ):
        pages.add("/style.css", STYLE, "text/css")
        yield Site(gateway, network, pages, http)
