"""Workspace tokens (JWT), which administer the projects of a workspace.

The gateway signs them with a key derived from INBOX_SECRET_KEY.
"""

import hashlib
import time
from collections.abc import Callable
from typing import Annotated, NamedTuple
from uuid import uuid4

import jwt
import msgspec

from gateway.domain.errors import ApiError, ErrorCode, api_error
from gateway.domain.ids import WorkspaceId
from gateway.domain.principal import DEFAULT_WORKSPACE, DEFAULT_WORKSPACE_NAME, Credentials, Workspace
from gateway.store.workspaces import WorkspaceStore

_ALGORITHM = "HS256"
_SUGGESTION = "`inbox-gateway token --workspace` prints one; send it as Authorization: Bearer."


class WorkspaceClaims(NamedTuple):
    """The verified claims of a workspace token. `expires_at` is in unix seconds."""

    workspace_id: WorkspaceId
    token_id: str
    expires_at: int


class _Claims(msgspec.Struct):
    workspace_id: str
    jti: str
    iat: int
    exp: Annotated[int, msgspec.Meta(le=2**53)]


class WorkspaceTokens:
    """Signs and verifies workspace tokens. `secret_key` is INBOX_SECRET_KEY, `unix` a clock in unix seconds."""

    def __init__(self, secret_key: str, unix: Callable[[], float] = time.time):
        # The label makes this key differ from the one that encrypts API secrets: neither is used for both purposes.
        self._key = hashlib.sha256(b"inbox-gateway workspace tokens\0" + secret_key.encode()).digest()
        self._key_id = "workspace-" + hashlib.sha256(b"key id\0" + self._key).hexdigest()[:8]
        self._unix = unix

    def sign(self, workspace_id: WorkspaceId, seconds: int) -> str:
        """Return a new token that expires after `seconds`."""
        now = int(self._unix())
        claims = {"workspace_id": workspace_id, "iat": now, "exp": now + seconds, "jti": str(uuid4())}
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers={"kid": self._key_id})

    def read(self, token: str) -> WorkspaceClaims:
        """Verify a token's signature and expiry, and return its claims. Raises ApiError."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            if key_id != self._key_id:
                raise _incorrect(
                    "The token was signed with another INBOX_SECRET_KEY"
                    if isinstance(key_id, str) and key_id.startswith("workspace-")
                    else "This is no workspace token"
                )
            decoded = jwt.decode(
                token, self._key, algorithms=[_ALGORITHM], options={"verify_exp": False, "verify_iat": False}
            )
            claims = msgspec.convert(decoded, _Claims)
            claims.workspace_id.encode(), claims.jti.encode()  # raises for a lone surrogate
        except (jwt.InvalidTokenError, msgspec.ValidationError, UnicodeError):
            raise _incorrect() from None
        if claims.exp <= self._unix():
            raise api_error(ErrorCode.TOKEN_EXPIRED, suggestion=_SUGGESTION)
        return WorkspaceClaims(WorkspaceId(claims.workspace_id), claims.jti, claims.exp)


class WorkspaceAuthenticator:
    """Verifies workspace tokens. Methods raise ApiError for refused tokens, and StoreUnavailableError."""

    def __init__(self, tokens: WorkspaceTokens, workspaces: WorkspaceStore):
        self._tokens = tokens
        self._workspaces = workspaces

    async def workspace(self, credentials: Credentials, wanted: str) -> Workspace:
        """Verify a workspace token and return its workspace, which must be `wanted`: an id, or `default`."""
        if not credentials.token:
            raise api_error(ErrorCode.FORBIDDEN, "A workspace's token is needed", suggestion=_SUGGESTION)
        if wanted == DEFAULT_WORKSPACE_NAME:
            wanted = DEFAULT_WORKSPACE
        claims = self._tokens.read(credentials.token)
        opened = await self._workspaces.open(claims.workspace_id, claims.token_id)
        if opened.revoked:
            raise api_error(ErrorCode.TOKEN_REVOKED)
        if claims.workspace_id != wanted:
            raise api_error(ErrorCode.FORBIDDEN, "The token is for another workspace")
        if opened.workspace is None:
            raise api_error(ErrorCode.NOT_FOUND, "Workspace not found")
        return opened.workspace


def _incorrect(message: str = "") -> ApiError:
    return api_error(ErrorCode.TOKEN_IS_INCORRECT, message, suggestion=_SUGGESTION)
