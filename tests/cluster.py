"""A real cluster for tests: the one that the load tests break."""

from loadtest.check.cluster import Cluster, running_cluster

__all__ = ["Cluster", "running_cluster"]
