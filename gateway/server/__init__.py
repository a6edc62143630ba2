"""What runs a gateway: the supervisor with the bundled Valkey, and the HTTP ingress and server of each worker."""
