"""Rules for outbound addresses in tests: servers of a test are on the loopback."""

from gateway.domain.address import read_network
from gateway.domain.outbound import OutboundRules

LOOPBACK = OutboundRules(allowed_networks=(read_network("127.0.0.0/8"), read_network("::1/128")))

ALLOW_LOOPBACK = {"INBOX_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8,::1"}
"""The environment of a gateway with these rules."""
