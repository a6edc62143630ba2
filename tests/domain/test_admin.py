"""The roles of admins."""

import pytest

from gateway.domain.admin import EVERY_WORKSPACE, Admin, Role
from gateway.domain.ids import WorkspaceId

ONE, TWO = WorkspaceId("1"), WorkspaceId("2")


def admin(**roles: Role) -> Admin:
    """Return an admin with roles in workspaces: `one`, `two` and `every`."""
    names = {"one": ONE, "two": TWO, "every": EVERY_WORKSPACE}
    return Admin("a1", "ada@example.com", "Ada", {names[name]: role for name, role in roles.items()})


@pytest.mark.parametrize("role", Role)
def test_a_role_allows_what_every_lower_role_allows(role: Role) -> None:
    assert [each for each in Role if role.allows(each)] == list(Role)[: role.rank + 1]


def test_an_admin_has_no_role_in_a_workspace_that_the_roles_do_not_name() -> None:
    assert admin(one=Role.OWNER).role_in(TWO) is None


def test_a_role_in_every_workspace_counts_in_each() -> None:
    assert admin(every=Role.EDITOR).role_in(TWO) is Role.EDITOR


def test_the_higher_of_two_roles_counts() -> None:
    both = admin(one=Role.ADMIN, every=Role.VIEWER)
    assert both.role_in(ONE) is Role.ADMIN
    assert both.role_in(TWO) is Role.VIEWER


def test_the_highest_role_is_that_of_any_workspace() -> None:
    assert admin(one=Role.VIEWER, two=Role.OWNER).highest_role is Role.OWNER


def test_an_admin_without_roles_is_a_viewer_at_most() -> None:
    assert admin().highest_role is Role.VIEWER
