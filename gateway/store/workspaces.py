"""Workspaces, which projects belong to, and the tokens of theirs that were revoked."""

from typing import NamedTuple

from gateway.domain.principal import DEFAULT_WORKSPACE, Workspace, WorkspaceId
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import StoreEmptyError
from gateway.store.state import read_state


class Opened(NamedTuple):
    """What is known of a token's workspace: None when there is none, and whether the token was revoked."""

    workspace: Workspace | None
    revoked: bool


class WorkspaceStore:
    """All workspaces. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def open(self, workspace_id: WorkspaceId, token_id: str) -> Opened:
        """Give what is known of a token's workspace."""
        title, revoked = await self._client.call("find_workspace", keys.PROJECTS, workspace_id, token_id)
        if title is None and (await read_state(self._client)).is_lost:
            raise StoreEmptyError
        return Opened(None if title is None else Workspace(workspace_id, title.decode(errors="replace")), bool(revoked))

    async def create(self, title: str) -> Workspace:
        """Create a workspace."""
        number = await self._client.command("INCR", keys.LAST_WORKSPACE)
        workspace = Workspace(WorkspaceId(str(int(DEFAULT_WORKSPACE) + number)), title)
        await self._client.call("put_workspace", keys.PROJECTS, workspace.id, title, 1)
        return workspace

    async def rename(self, workspace_id: WorkspaceId, title: str) -> Workspace | None:
        """Give a workspace another title; None: no such workspace."""
        renamed = await self._client.call("put_workspace", keys.PROJECTS, workspace_id, title, 0)
        return Workspace(workspace_id, title) if renamed else None

    async def all(self) -> list[Workspace]:
        """Give every workspace."""
        named = await self._client.command("HGETALL", keys.WORKSPACES)
        texts = [each.decode(errors="replace") for each in named]
        return [Workspace(WorkspaceId(name), title) for name, title in zip(texts[::2], texts[1::2], strict=True)]

    async def revoke_token(self, token_id: str, seconds: int) -> None:
        """Refuse a workspace token from now on; `seconds` are until it would have expired."""
        await self._client.call("revoke_workspace_token", keys.PROJECTS, token_id, max(1, seconds))
