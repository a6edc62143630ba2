"""Workspaces, to which projects belong, and their revoked tokens."""

from typing import NamedTuple

from gateway.domain.ids import WorkspaceId
from gateway.domain.principal import DEFAULT_WORKSPACE, Workspace
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, nothing, reading_function, untouched, writing_function
from gateway.store.redis.problems import StoreEmptyError
from gateway.store.state import read_state


class Opened(NamedTuple):
    """The workspace that a token names, None if it does not exist, and whether the token was revoked."""

    workspace: Workspace | None
    revoked: bool


def _find(workspace_id: str, token_id: str) -> Arguments:
    return (workspace_id, token_id)


def _put(workspace_id: str, title: str, must_be_new: bool) -> Arguments:
    return (workspace_id, title, int(must_be_new))


def _revoke_token(token_id: str, seconds: int) -> Arguments:
    return (token_id, seconds)


FIND_WORKSPACE = reading_function("find_workspace", "projects", _find, untouched)
PUT_WORKSPACE = writing_function("put_workspace", "projects", _put, bool)
REVOKE_WORKSPACE_TOKEN = writing_function(
    "revoke_workspace_token", "projects", _revoke_token, nothing, frees_memory=True
)


class WorkspaceStore:
    """All workspaces. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def open(self, workspace_id: WorkspaceId, token_id: str) -> Opened:
        """Return the workspace that a token names, and whether the token was revoked.

        Raises StoreEmptyError if the store has lost its data.
        """
        title, revoked = await self._client.call(FIND_WORKSPACE(keys.PROJECTS, workspace_id, token_id))
        if title is None and (await read_state(self._client)).is_lost:
            raise StoreEmptyError
        return Opened(None if title is None else Workspace(workspace_id, title.decode(errors="replace")), bool(revoked))

    async def create(self, title: str) -> Workspace:
        """Create a workspace with the next id, and return it."""
        number = await self._client.command("INCR", keys.LAST_WORKSPACE)
        workspace = Workspace(WorkspaceId(str(int(DEFAULT_WORKSPACE) + number)), title)
        await self._client.call(PUT_WORKSPACE(keys.PROJECTS, workspace.id, title, must_be_new=True))
        return workspace

    async def rename(self, workspace_id: WorkspaceId, title: str) -> Workspace | None:
        """Replace the title of a workspace and return the workspace, None if there is no such workspace."""
        renamed = await self._client.call(PUT_WORKSPACE(keys.PROJECTS, workspace_id, title, must_be_new=False))
        return Workspace(workspace_id, title) if renamed else None

    async def all(self) -> list[Workspace]:
        """Return every workspace, in no order."""
        named = await self._client.command("HGETALL", keys.WORKSPACES)
        texts = [each.decode(errors="replace") for each in named]
        return [Workspace(WorkspaceId(name), title) for name, title in zip(texts[::2], texts[1::2], strict=True)]

    async def revoke_token(self, token_id: str, seconds: int) -> None:
        """Revoke a workspace token. The revocation is kept for `seconds`, the rest of the token's lifetime."""
        await self._client.call(REVOKE_WORKSPACE_TOKEN(keys.PROJECTS, token_id, max(1, seconds)))
