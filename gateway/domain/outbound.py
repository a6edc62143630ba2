"""Which addresses the gateway connects to on behalf of a tenant: protection against server-side request forgery.

A tenant saves addresses: webhooks of chat rooms, endpoints of push services, mail servers. The gateway can reach hosts
that the tenant cannot, such as its own Redis and the metadata service of its cloud. So only public addresses are
allowed, and the networks that the operator adds. A URL is checked when it is saved and again when it is used. The
addresses of its host name are checked after each DNS lookup (`gateway/runtime/outbound.py`), because the answers may
change.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from gateway.domain.address import HOST_PATTERN, MAX_HOST_LENGTH, PORT_PATTERN, Address, Network, read_address

MAX_URL_LENGTH = 2048

# The special-purpose registry for IPv4 (IANA; RFC 6890), without the blocks that are globally reachable.
_REFUSED_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared address space; also the metadata service of Alibaba Cloud
            "127.0.0.0/8",
            "168.63.129.16/32",  # the platform service of Azure, in public address space
            "169.254.0.0/16",  # link-local; also the metadata services of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)

_GLOBAL_IPV6 = IPv6Network("2000::/3")
"""The only block from which global unicast addresses are assigned (RFC 4291, 2.4; IANA)."""

_REFUSED_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, among them Teredo, which embeds an IPv4 address
            "2001:db8::/32",
            "2002::/16",  # 6to4 embeds an IPv4 address
            "3fff::/20",
        ),
    )
)

_NAT64 = IPv6Network("64:ff9b::/96")
"""An address in it ends with an IPv4 address. Hosts with IPv6 alone reach IPv4 through it (RFC 6052, 2.1)."""

_INTERNAL_SUFFIXES = (".localhost", ".localdomain", ".local", ".internal", ".home.arpa", ".lan")
"""Domains that are not in the public DNS (RFC 6761, RFC 6762, RFC 8375), or that local resolvers use."""

_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{HOST_PATTERN})(:(?P<port>{PORT_PATTERN}))?([/?][!-~]*)?", re.IGNORECASE
)
"""A URL without user information, in printable ASCII. Nothing in it is left to the interpretation of a parser."""

_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that is a number makes the whole host an IPv4 address (WHATWG URL, "ends in a number")."""

NOT_PUBLIC = "must have a public address, or one in INBOX_OUTBOUND_ALLOWED_NETWORKS"
"""What a host must be instead, as the end of a sentence. The second half is for operators."""

PRIVATE_ADDRESS = "has an address that is not public, nor in INBOX_OUTBOUND_ALLOWED_NETWORKS"
"""What is wrong with a host whose addresses were looked up, as the end of a sentence."""

HTTPS_PORT = 443
LEAST_PORT = 1024
"""The lower ports but 443 belong to other protocols: mail, remote shells, directories."""


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_IPV4)
    if address in _NAT64:
        return _is_public(IPv4Address(address.packed[-4:]))
    return address in _GLOBAL_IPV6 and not any(address in network for network in _REFUSED_IPV6)


@dataclass(frozen=True, slots=True)
class OutboundRules:
    """The rules for addresses of tenants.

    Addresses in `allowed_networks` are allowed too, even without TLS, and host names that only a local DNS resolves,
    provided that their addresses are in these networks. `anywhere` allows every address: it is for addresses that the
    operator has set.
    """

    allowed_networks: tuple[Network, ...] = ()
    anywhere: bool = False

    def allows(self, text: str) -> bool:
        """Return whether an IP address, given as text, may be connected to."""
        address = read_address(text)
        if address is None or "%" in text:  # a zone names a local interface
            return False
        return _is_public(address) or self._is_local(address)

    def host_fault(self, host: str) -> str:
        """Return what a host must be instead, "" if it is allowed. An IPv6 address is in brackets."""
        name = host.lower()
        if len(host) > MAX_HOST_LENGTH or not re.fullmatch(HOST_PATTERN, host):
            return "must have a host name"
        literal = name.strip("[]")
        if name.startswith("[") or read_address(literal) is not None:
            return "" if self.allows(literal) else NOT_PUBLIC
        if _NUMBER.fullmatch(name.rpartition(".")[2]):
            return "must have a host name, or an IP address in its usual form"
        if _is_internal(name) and not self._is_local_host(name):
            return "must have a public host name"
        return ""

    def url_fault(self, url: str) -> str:
        """Return what a URL must be instead, "" if it is allowed."""
        match = _URL.fullmatch(url) if len(url) <= MAX_URL_LENGTH else None
        if match is None:
            return "must be an https address, without a user name and in ASCII"
        host, port = match["host"], int(match["port"] or HTTPS_PORT)
        if fault := self.host_fault(host):
            return fault
        if self._is_local_host(host.lower()):
            return ""
        if match["scheme"].lower() != "https":
            return "must be an https address"
        if port != HTTPS_PORT and port < LEAST_PORT:
            return f"must have port {HTTPS_PORT}, or a port from {LEAST_PORT}"
        return ""

    def _is_local(self, address: Address) -> bool:
        """Return whether an address is allowed beside the public ones."""
        return self.anywhere or any(address in network for network in self.allowed_networks)

    def _is_local_host(self, host: str) -> bool:
        """Return whether a host is allowed on any port and without TLS. The addresses of a name are still checked."""
        address = read_address(host.strip("[]"))
        if address is not None:
            return self._is_local(address)
        return self.anywhere or (bool(self.allowed_networks) and _is_internal(host))


def _is_internal(name: str) -> bool:
    """Return whether a host name is none of the public DNS."""
    return "." not in name or f".{name}".endswith(_INTERNAL_SUFFIXES)


PUBLIC_ONLY = OutboundRules()
"""The rules of every gateway whose operator has allowed no networks."""

OPERATOR = OutboundRules(anywhere=True)
"""For addresses that the operator of the gateway has set, such as INBOX_PROVIDER_URLS."""
