"""A real cluster for tests: the one that the load tests break."""

from loadtest.check.cluster import PRIMARIES, Cluster, running_cluster

__all__ = ["PRIMARIES", "Cluster", "running_cluster"]
