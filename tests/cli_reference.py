"""The reference of the command line, generated from the commands."""

import inspect
from collections.abc import Iterator

import click

from gateway.cli import cli

PROGRAM = "inbox-gateway"
_WIDTH = 1_000_000
"""A text is a paragraph in Markdown, which is not wrapped."""


def commands() -> str:
    """Return a section for each command that is not hidden, with its arguments and options."""
    return "\n".join(_sections(cli, (), click.Context(cli, info_name=PROGRAM)))


def _sections(group: click.Group, path: tuple[str, ...], context: click.Context) -> Iterator[str]:
    for name in sorted(group.commands):
        command = group.commands[name]
        if command.hidden:
            continue
        own = (*path, name)
        inner = click.Context(command, info_name=name, parent=context, max_content_width=_WIDTH)
        if isinstance(command, click.Group):
            yield from _sections(command, own, inner)
        else:
            yield from _section(command, own, inner)


def _section(command: click.Command, path: tuple[str, ...], context: click.Context) -> Iterator[str]:
    usage = " ".join(part for part in command.collect_usage_pieces(context) if part)
    yield f"\n### {' '.join(path)}\n\n```text\n{PROGRAM} {' '.join(path)} {usage}\n```\n"
    yield _text(command.help or "")
    shown = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    rows = [record for each in shown if (record := each.get_help_record(context)) is not None]
    if rows:
        yield "\n| option | |\n| --- | --- |"
        for names, text in rows:
            yield f"| {_cell(names, is_code=True)} | {_cell(text)} |"


def _text(text: str) -> str:
    """Return a help text as Markdown. A paragraph with the mark for verbatim text is code."""
    paragraphs = []
    for part in inspect.cleandoc(text).split("\n\n"):
        head, mark, verbatim = part.partition("\b\n")
        paragraphs.append(
            f"<!-- not run: the help of the command -->\n```sh\n{verbatim}\n```"
            if mark and not head
            else " ".join(part.split("\n"))
        )
    return "\n\n".join(paragraphs)


def _cell(text: str, *, is_code: bool = False) -> str:
    """Return the text of a cell of a table: on one line, and no `|` that would end the cell."""
    plain = " ".join(text.split()).replace("|", "\\|")
    return f"`{plain}`" if is_code else plain.replace("<", "&lt;").replace("*", "\\*")
