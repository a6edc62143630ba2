"""A real cluster for tests: that of `loadtest check`."""

from loadtest.servers.cluster import PRIMARIES, Cluster, running_cluster

__all__ = ["PRIMARIES", "Cluster", "running_cluster"]
