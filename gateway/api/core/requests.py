"""What the endpoints read from a request besides its body, and what they note in its ASGI scope."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from gateway.api.core.scope import HEADERS, PEER
from gateway.domain.principal import Principal
from gateway.domain.proxy import Forwarded, Proxies, peer_address
from gateway.domain.unknown_names import UnknownName

PRINCIPAL = "inbox.principal"
"""In a request's ASGI scope: the verified caller, for the access log."""

UNKNOWN_NAMES = "inbox.unknown_names"
"""In a request's ASGI scope: the names in the request that the operation does not define, if there are any."""

_LOGGED_PARAMS = frozenset(("id", "broadcast_id", "import_id", "token_id", "workspace_id", "project_id"))
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def headers_of(request: Request) -> Mapping[str, str]:
    """Return the headers by their lower-case names."""
    headers: Mapping[str, str] = request.scope[HEADERS]
    return headers


def client_address(request: Request, proxies: Proxies) -> str:
    """Return the client's address, "" if it is unknown. See `domain.proxy` for a client behind trusted proxies."""
    peer = request.scope[PEER]()
    if "x-forwarded-for" not in headers_of(request):
        return peer_address(peer)
    headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"])
    return proxies.client(peer, headers)


def forwarded(request: Request, proxies: Proxies) -> Forwarded:
    """Return the client's address, and the scheme, host and path prefix that it called."""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"]]
    return proxies.forwarded(request.scope[PEER](), headers)


def principal_of(request: Request) -> Principal | None:
    """Return the verified caller, None before the credentials are verified."""
    principal: Principal | None = request.scope.get(PRINCIPAL)
    return principal


def note_unknown(request: Request, names: list[UnknownName]) -> None:
    """Add names that the operation does not define to those noted for the request."""
    request.scope.setdefault(UNKNOWN_NAMES, []).extend(names)


def logged_path(template: str, params: Mapping[str, Any]) -> str:
    """Return the path for the access log. It has ids, but no names of users, no topics and no device tokens.

    The query is left out as well, because it may contain credentials.
    """
    for name, value in params.items():
        if name in _LOGGED_PARAMS and _ID.fullmatch(value):
            template = template.replace(f"{{{name}}}", value)
    return template
