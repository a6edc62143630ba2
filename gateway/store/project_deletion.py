"""The deletion of projects. A deletion is recorded until there is a job that removes the project's data."""

from gateway.domain.ids import ProjectId, WorkspaceId
from gateway.domain.principal import Project
from gateway.store import keys
from gateway.store.project_records import text_of
from gateway.store.projects import CONTROL_PROJECT, ProjectStore
from gateway.store.redis.functions import Arguments, list_of_bytes, writing_function

CONTROL_PROJECT_DELETED = "project_deleted"
"""The first word of the control message that names the API key and the id of a deleted project."""


def _delete(project_id: str, workspace_id: str) -> Arguments:
    return (project_id, workspace_id)


def _discard(api_key: str) -> Arguments:
    return (api_key,)


DELETE_PROJECT = writing_function("delete_project", "projects", _delete, bool, frees_memory=True, repeatable=False)
DISCARD_PROJECT = writing_function("discard_project", "projects", _discard, list_of_bytes, frees_memory=True)


class ProjectDeletion:
    """Deletes projects of a store. Methods raise StoreUnavailableError."""

    def __init__(self, projects: ProjectStore):
        self._projects = projects
        self._client = projects.client

    async def delete(self, project: Project) -> bool:
        """Delete the record of a project, so that every node refuses its keys. Return whether there was one.

        The project's data stays. Enqueue a job that removes it, then call `forget`.
        """
        deleted = await self._client.call(DELETE_PROJECT(keys.PROJECTS, project.id, project.workspace_id))
        self._projects.cache.forget_deleted(project.api_key)
        await self._projects.publish_change(
            project.api_key, f"{CONTROL_PROJECT_DELETED} {project.api_key} {project.id}"
        )
        return deleted

    async def list_deleted(self) -> dict[ProjectId, WorkspaceId]:
        """Return the deleted projects for which no job is recorded yet, with their workspaces."""
        notes = [note.decode(errors="replace") for note in await self._client.command("HGETALL", keys.DELETED_PROJECTS)]
        return dict(zip(map(ProjectId, notes[::2]), map(WorkspaceId, notes[1::2]), strict=True))

    async def forget(self, project_id: ProjectId) -> None:
        """Remove the record of a deletion, because a job now removes the project's data."""
        await self._client.command("HDEL", keys.DELETED_PROJECTS, project_id)

    async def discard(self, api_key: str) -> list[ProjectId]:
        """Delete a record regardless of its content. Return the projects that had this API key. Their data stays."""
        ids = [ProjectId(text_of(each)) for each in await self._client.call(DISCARD_PROJECT(keys.PROJECTS, api_key))]
        for project_id in ids:
            await self._projects.publish_change(api_key, f"{CONTROL_PROJECT_DELETED} {api_key} {project_id}")
        await self._projects.publish_change(api_key, f"{CONTROL_PROJECT} {api_key}")
        self._projects.cache.forget_deleted(api_key)
        return ids

    async def discard_of(self, workspace_id: WorkspaceId, project_id: str) -> bool:
        """Delete the record of a workspace's project regardless of its content. Return whether the workspace had it.

        As with `delete`, the project's data stays.
        """
        api_key, since = await self._client.commands(
            ("HGET", keys.PROJECT_IDS, project_id), ("ZSCORE", keys.workspace_projects(workspace_id), project_id)
        )
        if api_key is None or since is None:
            return False
        await self.discard(text_of(api_key))
        return True
