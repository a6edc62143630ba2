"""The mapping of claims to roles."""

from typing import Any

import pytest

from gateway.domain.admin import EVERY_WORKSPACE, Role
from gateway.domain.ids import WorkspaceId
from gateway.domain.sso_roles import read_sso_roles

TWO = WorkspaceId("2")


@pytest.mark.parametrize(
    ("mapping", "claims", "roles"),
    [
        ("groups:a=admin,v=viewer", {"groups": ["v", "other"]}, {EVERY_WORKSPACE: Role.VIEWER}),
        ("groups:v=viewer,a=admin", {"groups": ["v", "a"]}, {EVERY_WORKSPACE: Role.ADMIN}),
        ("groups:a=admin,v=viewer", {"groups": ["v", "a"]}, {EVERY_WORKSPACE: Role.ADMIN}),
        (
            "groups: a = owner@2, a=viewer ".replace(" = ", "="),
            {"groups": ["a"]},
            {TWO: Role.OWNER, EVERY_WORKSPACE: Role.VIEWER},
        ),
        ("hd:example.com=editor@*", {"hd": "example.com"}, {EVERY_WORKSPACE: Role.EDITOR}),
        ("https://example.com/roles:a=b=admin", {"https://example.com/roles": ["a=b"]}, {EVERY_WORKSPACE: Role.ADMIN}),
        ("realm_access.roles:a=admin", {"realm_access": {"roles": ["a"]}}, {EVERY_WORKSPACE: Role.ADMIN}),
        ("realm_access.roles:a=admin", {"realm_access.roles": ["a"]}, {EVERY_WORKSPACE: Role.ADMIN}),
        ("realm_access.roles:a=admin", {"realm_access": ["a"]}, {}),
        ("groups:1=admin", {"groups": [1, {"1": "1"}]}, {}),
        ("groups:a=admin", {"groups": {"a": "a"}}, {}),
        ("groups:a=admin", {}, {}),
    ],
)
def test_the_values_of_a_claim_grant_roles(mapping: str, claims: dict[str, Any], roles: dict[Any, Role]) -> None:
    assert read_sso_roles(mapping).of(claims) == roles


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("groups", "must have a claim and its values, such as groups:inbox-admins=admin"),
        ("groups:admins", "must have entries such as inbox-admins=admin or shop=editor@2, not 'admins'"),
        ("groups:a=admin,", "must have entries such as inbox-admins=admin or shop=editor@2, not ''"),
        ("groups:a=admin@shop", "must have entries such as"),
        ("groups:a=root", "must have roles that are one of viewer, editor, admin, owner, not 'a=root'"),
    ],
)
def test_a_mapping_that_is_not_valid_is_refused(mapping: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^must") as caught:
        read_sso_roles(mapping)
    assert str(caught.value).startswith(message)
