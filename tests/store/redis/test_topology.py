"""The names of a cluster's nodes, and its redirections."""

import pytest

from gateway.settings import Settings
from gateway.store.redis.topology import Node, Topology, node_name


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
def test_a_node_has_the_name_that_its_cluster_announces(primary: list[object], name: str) -> None:
    assert node_name(primary, "asked") == name


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
