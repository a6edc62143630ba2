"""How the demo project is recognised."""

import pytest

from gateway.domain.demo import is_demo
from gateway.domain.ids import ProjectId, WorkspaceId
from gateway.domain.principal import DEFAULT_WORKSPACE, Project


@pytest.mark.parametrize(
    ("api_key", "name", "workspace", "found"),
    [
        ("demo_1", "Demo", DEFAULT_WORKSPACE, True),
        ("key_1", "Demo", DEFAULT_WORKSPACE, False),
        ("demo_1", "Shop", DEFAULT_WORKSPACE, False),
        ("demo_1", "Demo", WorkspaceId("a tenant"), False),
    ],
)
def test_the_demo_project_has_its_key_its_name_and_no_tenant(
    api_key: str, name: str, workspace: WorkspaceId, found: bool
) -> None:
    project = Project(ProjectId("1"), name, api_key, True, ("secret",), workspace_id=workspace)
    assert is_demo(project) is found
