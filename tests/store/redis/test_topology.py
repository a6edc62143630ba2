"""How addresses of several servers are understood, and what a cluster says of its nodes."""

import pytest
from redis.asyncio.connection import SSLConnection
from redis.asyncio.sentinel import SentinelManagedSSLConnection

from gateway.settings import Settings
from gateway.store.redis.topology import Node, Topology, _name, _parse


@pytest.mark.parametrize(
    ("hosts", "understood"),
    [
        ("a:1,b:2", [("a", 1), ("b", 2)]),
        ("a,10.0.0.1:2", [("a", 6379), ("10.0.0.1", 2)]),
        ("[::1]:7000,[fe80::2],a:1", [("::1", 7000), ("fe80::2", 6379), ("a", 1)]),
    ],
)
def test_an_address_names_several_hosts(hosts: str, understood: list[tuple[str, int]]) -> None:
    assert _parse(f"redis+cluster://{hosts}")[0] == understood


def test_an_address_has_credentials_and_options_of_tls() -> None:
    hosts, arguments = _parse("rediss+cluster://joe:p%40ss@a:1,b:2?ssl_ca_certs=/etc/ca.pem&db=3")
    assert hosts == [("a", 1), ("b", 2)]
    assert (arguments["username"], arguments["password"]) == ("joe", "p@ss")
    assert (arguments["ssl_ca_certs"], arguments["db"]) == ("/etc/ca.pem", 3)
    assert arguments["connection_class"] is SSLConnection


def test_the_primary_that_sentinel_names_is_spoken_to_over_tls_if_the_address_says_so() -> None:
    topology = Topology(Settings(redis_url="rediss+sentinel://:secret@a:1,b:2/service?ssl_cert_reqs=none&db=2"))
    assert topology.sole is not None
    connection = topology.sole.make_connection()
    assert isinstance(connection, SentinelManagedSSLConnection)
    assert (connection.password, connection.db, connection.connection_pool.service_name) == ("secret", 2, "service")
    (first, _) = connection.connection_pool.sentinel_manager.sentinels
    assert first.connection_pool.connection_class is SSLConnection


@pytest.mark.parametrize(
    ("primary", "name"),
    [
        ([b"10.0.0.1", 7000, b"id", []], "10.0.0.1:7000"),
        ([b"node.example", 7000, b"id", [b"ip", b"10.0.0.1"]], "node.example:7000"),
        ([b"?", 7000, b"id", [b"ip", b"10.0.0.1"]], "10.0.0.1:7000"),
        ([None, 7000, b"id", []], "asked:7000"),
        ([b"", 7000], "asked:7000"),
        ([b"::1", 7000, b"id", []], "::1:7000"),
    ],
)
def test_a_node_is_named_as_the_cluster_wants_it_to_be_called(primary: list[object], name: str) -> None:
    assert _name(primary, "asked") == name


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        ("MOVED 5 10.0.0.2:7001", "10.0.0.2:7001"),
        ("MOVED 5 :7001", "127.0.0.1:7001"),
        ("ASK 5 ?:7001", "127.0.0.1:7001"),
        ("MOVED 5 fe80::1:7001", "fe80::1:7001"),
    ],
)
async def test_a_redirection_names_a_node(reply: str, name: str) -> None:
    topology = Topology(Settings(redis_url="redis+cluster://127.0.0.1:7000"))
    asked: Node = topology.redirected("ASK 1 127.0.0.1:7000", Node("x", None, 1.0, replicated=False))  # type: ignore[arg-type]
    assert topology.redirected(reply, asked).name == name
