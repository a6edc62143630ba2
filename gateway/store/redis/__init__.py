"""Redis as a transport: protocol, connections, topology, the function library, subscriptions, and what can go wrong."""
