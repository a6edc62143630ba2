"""The processes of a gateway: the supervisor with the bundled Valkey, and each worker's HTTP ingress and server."""
