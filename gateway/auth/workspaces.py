"""Workspace tokens: signed by the gateway itself with a key made from INBOX_SECRET_KEY, for administering projects."""

import hashlib
import time
from collections.abc import Callable
from typing import Annotated, NamedTuple
from uuid import uuid4

import jwt
import msgspec

from gateway.domain.errors import ApiError, ErrorCode, api_error
from gateway.domain.principal import DEFAULT_WORKSPACE, DEFAULT_WORKSPACE_NAME, Credentials, Workspace, WorkspaceId
from gateway.store.workspaces import WorkspaceStore

_ALGORITHM = "HS256"
_SUGGESTION = "`inbox-gateway token --workspace` prints one; send it as Authorization: Bearer."


class WorkspaceClaims(NamedTuple):
    """What a token says. `expires_at` is unix seconds."""

    workspace_id: WorkspaceId
    token_id: str
    expires_at: int


class _Claims(msgspec.Struct):
    workspace_id: str
    jti: str
    iat: int
    exp: Annotated[int, msgspec.Meta(le=2**53)]


class WorkspaceTokens:
    """Signs and reads workspace tokens. `secret_key` is the setting."""

    def __init__(self, secret_key: str, unix: Callable[[], float] = time.time):
        # A label of its own: what encrypts API secrets signs nothing, and the other way round.
        self._key = hashlib.sha256(b"inbox-gateway workspace tokens\0" + secret_key.encode()).digest()
        self._key_id = "workspace-" + hashlib.sha256(b"key id\0" + self._key).hexdigest()[:8]
        self._unix = unix

    def sign(self, workspace_id: WorkspaceId, seconds: int) -> str:
        """Sign a token that counts for `seconds`."""
        now = int(self._unix())
        claims = {"workspace_id": workspace_id, "iat": now, "exp": now + seconds, "jti": str(uuid4())}
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers={"kid": self._key_id})

    def read(self, token: str) -> WorkspaceClaims:
        """Give the claims of a token that was signed here and counts. Raises ApiError."""
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
            claims.workspace_id.encode(), claims.jti.encode()  # half a character names nothing
        except (jwt.InvalidTokenError, msgspec.ValidationError, UnicodeError):
            raise _incorrect() from None
        if claims.exp <= self._unix():
            raise api_error(ErrorCode.TOKEN_EXPIRED, suggestion=_SUGGESTION)
        return WorkspaceClaims(WorkspaceId(claims.workspace_id), claims.jti, claims.exp)


class WorkspaceAuthenticator:
    """Verifies who administers a workspace's projects. Methods raise ApiError and StoreUnavailableError."""

    def __init__(self, tokens: WorkspaceTokens, workspaces: WorkspaceStore):
        self._tokens = tokens
        self._workspaces = workspaces

    async def workspace(self, credentials: Credentials, wanted: str) -> Workspace:
        """Verify a workspace token, and that it is for the `wanted` workspace: its id, or `default` for the first."""
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
