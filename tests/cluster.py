"""A real cluster for tests: the one that the checker breaks."""

from loadtest.servers.cluster import PRIMARIES, Cluster, running_cluster

__all__ = ["PRIMARIES", "Cluster", "running_cluster"]
