"""Users who come on their own word: nobody vouches for the names by which a project without HMAC knows its callers."""

import ipaddress
from typing import NamedTuple

NETWORK_BITS = 64
"""Of an IPv6 address: the rest is the client's own choice (RFC 4291, 2.5.4)."""


class CreationLimits(NamedTuple):
    """How many such users may be created in an hour, and as many at once; 0 is no limit."""

    per_project: int
    per_address: int

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return bool(self.per_project or self.per_address)


def origin_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the network of an IPv6 address; "" if it is unknown."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, NETWORK_BITS), strict=False).network_address)
