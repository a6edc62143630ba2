"""The demo project: how it is recognised among the projects of a store. A store has at most one."""

from gateway.domain.principal import DEFAULT_WORKSPACE, Project

DEMO_NAME = "Demo"
DEMO_KEY_PREFIX = "demo_"


def is_demo_key(api_key: str) -> bool:
    """Return whether an API key may be that of the demo project."""
    return api_key.startswith(DEMO_KEY_PREFIX)


def is_demo(project: Project) -> bool:
    """Return whether a project is the demo project. Only an operator can create one: it is in no tenant's workspace."""
    return is_demo_key(project.api_key) and project.name == DEMO_NAME and project.workspace_id == DEFAULT_WORKSPACE
