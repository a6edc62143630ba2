"""Addresses that name several servers."""

import pytest
from redis.asyncio.connection import SSLConnection
from redis.asyncio.sentinel import SentinelManagedSSLConnection

from gateway.settings import Settings
from gateway.store.redis.address import parse_hosts
from gateway.store.redis.topology import Topology


@pytest.mark.parametrize(
    ("hosts", "understood"),
    [
        ("a:1,b:2", [("a", 1), ("b", 2)]),
        ("a,10.0.0.1:2", [("a", 6379), ("10.0.0.1", 2)]),
        ("[::1]:7000,[fe80::2],a:1", [("::1", 7000), ("fe80::2", 6379), ("a", 1)]),
    ],
)
def test_an_address_names_several_hosts(hosts: str, understood: list[tuple[str, int]]) -> None:
    assert parse_hosts(f"redis+cluster://{hosts}")[0] == understood


def test_an_address_has_credentials_and_options_of_tls() -> None:
    hosts, arguments = parse_hosts("rediss+cluster://joe:p%40ss@a:1,b:2?ssl_ca_certs=/etc/ca.pem&db=3")
    assert hosts == [("a", 1), ("b", 2)]
    assert (arguments["username"], arguments["password"]) == ("joe", "p@ss")
    assert (arguments["ssl_ca_certs"], arguments["db"]) == ("/etc/ca.pem", 3)
    assert arguments["connection_class"] is SSLConnection


def test_connections_to_the_primary_of_a_sentinel_use_tls_if_the_address_requires_it() -> None:
    topology = Topology(Settings(redis_url="rediss+sentinel://:secret@a:1,b:2/service?ssl_cert_reqs=none&db=2"))
    assert topology.sole is not None
    connection = topology.sole.make_connection()
    assert isinstance(connection, SentinelManagedSSLConnection)
    assert (connection.password, connection.db, connection.connection_pool.service_name) == ("secret", 2, "service")
    (first, _) = connection.connection_pool.sentinel_manager.sentinels
    assert first.connection_pool.connection_class is SSLConnection
