"""The names of projects and workspaces in arguments of commands."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gateway.domain.principal import Project
    from gateway.store.projects import ProjectStore

MAX_NAME_LENGTH = 255
NAMED_PROJECTS = 5


def check_name(name: str) -> None:
    """Raise UsageError if this is not valid as the name of a project or the title of a workspace."""
    if not 0 < len(name.strip()) <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise click.UsageError(f"a name has 1 to {MAX_NAME_LENGTH} printable characters")


async def find_project(projects: "ProjectStore", api_key: str) -> "Project":
    """Return the project with this API key. Raises ClickException if there is none."""
    found = await projects.by_api_key(api_key)
    if found is None:
        raise no_project(api_key)
    return found


async def find_only_project(projects: "ProjectStore", api_key: str) -> "Project":
    """Return the project with this API key, or the only one for "". Raises ClickException and UsageError."""
    if api_key:
        return await find_project(projects, api_key)
    found = await projects.all()
    if not found:
        raise click.ClickException("there is no project: `inbox-gateway project create NAME` creates one")
    if len(found) > 1:
        named = ", ".join(f"{each.api_key} ({each.name})" for each in found[:NAMED_PROJECTS])
        more = f" and {len(found) - NAMED_PROJECTS} more" if len(found) > NAMED_PROJECTS else ""
        raise click.UsageError(f"there are {len(found)} projects: name one with --api-key: {named}{more}")
    return found[0]


def workspace_id_of(name: str) -> str:
    """Return the id of the workspace that an argument names, by its id or as `default`."""
    from gateway.domain.principal import DEFAULT_WORKSPACE, DEFAULT_WORKSPACE_NAME

    return DEFAULT_WORKSPACE if name == DEFAULT_WORKSPACE_NAME else name


def no_project(api_key: str) -> click.ClickException:
    """Return the error for an API key that no project has."""
    return click.ClickException(f"no project has the key {api_key}: `inbox-gateway project list` shows them")


def no_workspace(workspace_id: str) -> click.ClickException:
    """Return the error for an id that no workspace has."""
    return click.ClickException(f"no workspace has the id {workspace_id}: `inbox-gateway workspace list` shows them")
