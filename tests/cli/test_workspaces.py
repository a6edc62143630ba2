"""`workspace`."""

from collections.abc import Callable

import pytest

from tests.cli.conftest import Command, error, fields

Printed = Callable[..., str]


def test_a_workspace_is_created_listed_and_renamed(printed: Printed) -> None:
    created = fields(printed("workspace", "create", "A team"))
    assert created["title"] == "A team"
    assert fields(printed("workspace", "rename", created["id"], "Another")) == created | {"title": "Another"}
    assert f"title        Another\nid           {created['id']}" in printed("workspace", "list")


@pytest.mark.parametrize("name", ["default", "1"])
def test_the_default_workspace_is_renamed_by_either_name(printed: Printed, name: str) -> None:
    assert fields(printed("workspace", "rename", name, "The first")) == {"title": "The first", "id": "1"}


def test_an_unknown_workspace_is_named(run: Command) -> None:
    assert "no workspace has the id 77" in error(run("workspace", "rename", "77", "x"))


def test_a_workspace_token_is_revoked(printed: Printed) -> None:
    assert printed("workspace", "revoke-token", printed("token", "--workspace").strip()) == "revoked\n"


def test_only_a_workspace_token_can_be_revoked(run: Command) -> None:
    assert error(run("workspace", "revoke-token", "text")) == (
        "Error: this token cannot be revoked: The token is incorrect"
    )
