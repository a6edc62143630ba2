"""Network addresses, each in one canonical spelling: hosts with a port, IP addresses, and networks."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_GROUP = "[0-9A-Fa-f]{1,4}"


def _ipv6_pattern() -> str:
    """Return a regular expression for IPv6 addresses without a dotted IPv4 part (RFC 4291, 2.2)."""
    spelt_out = f"({_GROUP}:){{7}}{_GROUP}"
    compressed = [
        (f"{_GROUP}(:{_GROUP}){{{before - 1}}}" if before else "")
        + "::"
        + (f"({_GROUP}(:{_GROUP}){{0,{6 - before}}})?" if before < 7 else "")
        for before in range(8)
    ]
    return "|".join([spelt_out, *compressed])


NAME_PATTERN = rf"{_LABEL}(\.{_LABEL})*"
"""A host name or an IPv4 address."""

HOST_PATTERN = rf"({NAME_PATTERN}|\[({_ipv6_pattern()})\])"
"""A host name, an IPv4 address, or an IPv6 address in brackets. The syntax is common to Python and ECMA-262."""

PORT_PATTERN = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"

_HOST_AND_PORT = re.compile(f"(?P<host>{HOST_PATTERN})(:(?P<port>{PORT_PATTERN}))?")

MAX_HOST_LENGTH = 253 + len(":65535")
"""DNS allows 253 characters (RFC 1035, 2.3.4)."""

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


def canonical_host(text: str, default_port: int | None = None) -> str | None:
    """Return `host` or `host:port` in lower case, without the default port; None if `text` is not a host."""
    match = _HOST_AND_PORT.fullmatch(text) if len(text) <= MAX_HOST_LENGTH else None
    if match is None:
        return None
    host = match["host"].lower()
    if host.startswith("["):
        host = f"[{IPv6Address(host[1:-1])}]"
    port = int(match["port"]) if match["port"] else default_port
    return host if port == default_port else f"{host}:{port}"


def read_address(text: str) -> Address | None:
    """Return an IP address, or None if `text` is not one. An IPv4-mapped IPv6 address becomes the IPv4 address."""
    try:
        address = ip_address(text.partition("%")[0])  # without the IPv6 zone, which names a local interface
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


CLIENT_NETWORK_BITS = 64
"""The length of an IPv6 network. The client chooses the remaining bits of the address (RFC 4291, 2.5.4)."""


def client_network(address: str) -> str:
    """Return the network that counts as one client: an IPv4 address, or the /64 of an IPv6 address; "" if unknown."""
    parsed = read_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, CLIENT_NETWORK_BITS), strict=False).network_address)
    return "" if parsed is None else str(parsed)


def read_network(text: str) -> Network:
    """Return a network from an address or CIDR notation. Raises ValueError with a message for the operator."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an address or a network such as 10.0.0.0/8") from None
    if "/" in text and ip_address(text.partition("/")[0]) != network.network_address:
        raise ValueError(f"{text!r} has bits set outside its network: write {network} or a single address")
    return network


class Networks:
    """A set of networks. Lookups are cached, because the same few proxies send every request."""

    def __init__(self, texts: Iterable[str]):
        self._networks = tuple(map(read_network, texts))
        self.contain = lru_cache(maxsize=4096)(self._contain)
        """Return whether an IP address, given as text, is in one of the networks."""

    def _contain(self, text: str) -> bool:
        address = read_address(text)
        return address is not None and any(address in network for network in self._networks)
