"""Names of projects and workspaces in arguments."""

import click
import pytest

from gateway.cli import cli
from gateway.cli.arguments import MAX_NAME_LENGTH, check_name, no_project, no_workspace, workspace_id_of
from gateway.domain.principal import DEFAULT_WORKSPACE


@pytest.mark.parametrize("name", ["Shop", "Åsas Laden", "x" * MAX_NAME_LENGTH])
def test_a_name_is_any_printable_text(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "  ", "x" * (MAX_NAME_LENGTH + 1), "two\nlines", "\x1b[31mred"])
def test_a_name_that_is_not_valid_is_refused(name: str) -> None:
    with pytest.raises(click.UsageError, match="a name has 1 to 255 printable characters"):
        check_name(name)


def test_a_workspace_is_named_by_its_id_or_as_default() -> None:
    assert (workspace_id_of("7"), workspace_id_of("default")) == ("7", DEFAULT_WORKSPACE)


def test_an_unknown_project_or_workspace_is_named_with_the_command_that_lists_them() -> None:
    assert no_project("k").message == "no project has the key k: `inbox-gateway project list` shows them"
    assert no_workspace("7").message == "no workspace has the id 7: `inbox-gateway workspace list` shows them"


def test_the_list_of_commands_has_a_whole_sentence_about_each() -> None:
    cut: list[str] = []

    def look(group: click.Group, name: str) -> None:
        with click.Context(group, info_name=name, terminal_width=80) as context:
            cut.extend(
                line for line in group.get_help(context).splitlines() if line.startswith("  ") and line.endswith("...")
            )
        for each in group.commands.values():
            if isinstance(each, click.Group):
                look(each, f"{name} {each.name}")

    look(cli, "inbox-gateway")
    assert cut == []
