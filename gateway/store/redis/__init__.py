"""Access to Redis: protocol, connections, topology, the function library, subscriptions, and exceptions."""
