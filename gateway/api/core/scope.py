"""The keys that the HTTP ingress adds to the ASGI scope of a request. The ASGI specification allows such extra keys.

The ingress (`gateway.server`) writes them and the API reads them. They are defined here because the API may not import
`gateway.server`.
"""

PEER = "inbox.peer"
"""A function that returns the address of the connection's peer, "" if it is unknown."""

LOCAL_PORT = "inbox.local_port"
"""A function that returns the port on which the connection was accepted, 0 if it is unknown."""

REQUEST_ID = "inbox.request_id"
"""The id of the request, see `gateway.domain.request_id`."""

BODY_IS_LATE = "inbox.body_is_late"
"""Present when the rest of the request's body did not arrive in time. The API then responds with REQUEST_TIMEOUT."""

IS_ENDLESS = "inbox.is_endless"
"""Present once the response is a stream that ends only when the client leaves. The ingress reads it."""

HEADERS = "inbox.headers"
"""The headers by lower-case name, as text. Starlette's `Headers` scans all of them at each access."""
