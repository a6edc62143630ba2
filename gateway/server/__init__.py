"""The process side: the supervisor, the bundled Valkey, the HTTP ingress with its deadlines, and the listeners."""
