"""The keys that the HTTP ingress adds to the ASGI scope of a request. The ASGI specification allows servers their own.

The API reads them and the ingress (`gateway.server`) writes them. They stand here because the API may not import
`gateway.server`.
"""

PEER = "inbox.peer"
"""A function that returns the address that the connection comes from, "" if it is unknown."""

REQUEST_ID = "inbox.request_id"
"""The id of the request, see `gateway.domain.request_id`."""

BODY_IS_LATE = "inbox.body_is_late"
"""Present when the rest of the request's body did not arrive in time; the API answers with REQUEST_TIMEOUT."""
