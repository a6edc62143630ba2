"""The headers that reverse proxies add to a request: `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix`.

Any client can send these headers, so they are used only if the connection comes from a trusted proxy. Each proxy
appends the address of its own client to `X-Forwarded-For`. The list is therefore read from the right: the client is
the first address that is not a trusted proxy. The other headers describe the URL that the client requested. If they
are lists, the first entry, added by the outermost proxy, is used. INBOX_PUBLIC_URL, if set, overrides these.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from gateway.domain.address import MAX_HOST_LENGTH, Networks, canonical_host, read_address

FOR, PROTO, HOST, PREFIX = "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-prefix"

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_DEFAULT_PORTS = {"http": 80, "https": 443}

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
MAX_PREFIX_LENGTH = 255

MAX_ADDRESS_LENGTH = 64
"""Longer than any address, including its zone."""

MAX_HOPS = 16
"""How many entries of `X-Forwarded-For` are read. A request usually passes two or three proxies."""


class Forwarded(NamedTuple):
    """The address of the client, and the scheme, host and path prefix of the URL that it requested.

    `client` is "" if the peer's address is unknown, `host` is "" if no valid one was sent, and `prefix` is "" or
    begins with a slash and does not end with one.
    """

    client: str
    scheme: str
    host: str
    prefix: str

    @property
    def base(self) -> str:
        """Return the URL that paths are appended to, or only the prefix if the host is unknown."""
        return f"{self.scheme}://{self.host}{self.prefix}" if self.host else self.prefix


class Proxies:
    """The trusted proxies and the public URL of the settings, applied to requests."""

    def __init__(self, trusted: Iterable[str], public_url: str = ""):
        self._trusted = Networks(trusted)
        self._public = _split_public_url(public_url) if public_url else None
        self.ignored_peer = ""
        """The last address without trust that sent X-Forwarded-For with a request for a page or `/config`, "" for none.
        Other requests are not looked at, because each look costs time."""

    @property
    def public_prefix(self) -> str:
        """Return the path of INBOX_PUBLIC_URL, "" for the root or if it is unset."""
        return self._public.prefix if self._public is not None else ""

    def trust(self, peer: str) -> bool:
        """Return whether headers about the client are accepted from a connection from this address."""
        return bool(peer) and self._trusted.contain(peer)

    def forwarded(self, peer: str, headers: Iterable[tuple[str, str]]) -> Forwarded:
        """Return the result of `read_forwarded`, with the URL of INBOX_PUBLIC_URL if that is set."""
        headers = list(headers)
        found = read_forwarded(peer, headers, self._trusted)
        if not self.trust(peer) and any(name == FOR for name, _ in headers):
            self.ignored_peer = peer
        return found if self._public is None else self._public._replace(client=found.client)

    def client(self, peer: str, headers: Iterable[tuple[str, str]]) -> str:
        """Return only the client's address, "" if it is unknown."""
        if self.trust(peer):
            forwarded_for = ",".join(value for name, value in headers if name == FOR)
            if forwarded_for:
                return _client(peer, forwarded_for, self._trusted)
        return peer_address(peer)


def peer_address(peer: str) -> str:
    """Return the peer's address in canonical form, which is the client's where no proxy is trusted."""
    return _canonical_address(peer) or peer


def _split_public_url(url: str) -> Forwarded:
    scheme, _, rest = read_public_url(url).partition("://")
    host, slash, path = rest.partition("/")
    return Forwarded("", scheme, host, slash + path)


def read_forwarded(peer: str, headers: Iterable[tuple[str, str]], trusted: Networks) -> Forwarded:
    """Return the client's address and the URL that it requested.

    `peer` is the address that the connection comes from, "" if it is unknown. The names of `headers` are in lower
    case and may repeat.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if name == "host" or name.startswith("x-forwarded-"):
            found[name] = f"{found[name]},{value}" if name in found else value
    if not peer or not trusted.contain(peer):
        return Forwarded(_canonical_address(peer) or peer, "http", canonical_host(found.get("host", ""), 80) or "", "")
    scheme = _SCHEMES.get(_first(found.get(PROTO)).lower(), "http")
    port = _DEFAULT_PORTS[scheme]
    host = canonical_host(_first(found.get(HOST))[: MAX_HOST_LENGTH + 1], port)
    host = host or canonical_host(found.get("host", ""), port) or ""
    return Forwarded(_client(peer, found.get(FOR, ""), trusted), scheme, host, read_prefix(_first(found.get(PREFIX))))


def read_prefix(text: str) -> str:
    """Return a path prefix without a trailing slash, "" for the root and for anything but a plain path."""
    path = text.rstrip("/")
    plain = len(path) <= MAX_PREFIX_LENGTH and _PREFIX.fullmatch(path) is not None
    return path if plain and not {".", ".."} & set(path.split("/")) else ""


def read_public_url(text: str) -> str:
    """Return INBOX_PUBLIC_URL in canonical form. Raises ValueError with a message for the operator."""
    scheme, separator, rest = text.strip().partition("://")
    scheme = scheme.lower()
    authority, slash, path = rest.partition("/")
    host = canonical_host(authority, _DEFAULT_PORTS.get(scheme))
    prefix = read_prefix(slash + path)
    if scheme not in _DEFAULT_PORTS or not separator or host is None or (not prefix and path.strip("/")):
        raise ValueError(f"must be an address such as https://example.com/inbox, not {text!r}")
    return f"{scheme}://{host}{prefix}"


def _client(peer: str, forwarded_for: str, trusted: Networks) -> str:
    client = _canonical_address(peer) or peer
    for entry in reversed(forwarded_for.split(",")[-MAX_HOPS:]):
        address = _canonical_address(_without_port(entry.strip().strip('"'))[:MAX_ADDRESS_LENGTH])
        if address is None:
            break  # `unknown`, a name, or forged: the entries to the left of it cannot be trusted
        client = address
        if not trusted.contain(address):
            break
    return client


def _without_port(entry: str) -> str:
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


@lru_cache(maxsize=4096)
def _canonical_address(text: str) -> str | None:
    address = read_address(text)
    return None if address is None else str(address)


def _first(value: str | None) -> str:
    return value.partition(",")[0].strip() if value else ""
