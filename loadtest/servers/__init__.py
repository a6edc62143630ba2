"""The servers that load tests, the checker and the tests start: Redis and Valkey, a cluster, and the gateway."""
