"""What the pages on symptoms and traces name exists, and no sentence with which a start can end is missing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gateway.api.operations import OPERATIONS
from gateway.cli import cli
from gateway.domain.errors import CloseCode, ErrorCode
from gateway.store.errors import ForeignSecretKeyError

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "docs" / "production" / name for name in ("troubleshooting.md", "tracing.md")]
PAGE = PAGES[0].read_text()
GATEWAY = ROOT / "gateway"

STARTING = [*sorted((GATEWAY / "server").rglob("*.py")), *sorted((GATEWAY / "cli").glob("*.py"))]
ERRORS = (
    *("BundledValkeyError", "DataDirectoryError", "DeliveryStoreError", "DemoKeysError", "PreparationError"),
    *("StoreUnusableError", "SupervisorError", "UnknownProviderError", "UnrepairableError"),
)
"""The exceptions that end a start with their message."""

FIELDS = {"connection_id", "unread_count", "unseen_count", "allowed_origins", "seen_at", "trace_id"}
"""Names in responses and lines of the log that the pages use."""


def code(text: str) -> set[str]:
    """Return all that a page has between backticks in its sentences and tables."""
    without_blocks = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return set(re.findall(r"`([^`\n]+)`", without_blocks))


def log_events() -> set[str]:
    """Return the names of all events of the log, also of those that are composed, such as `worker_ended`."""
    found: set[str] = set()
    for path in GATEWAY.rglob("*.py"):
        text = path.read_text()
        found.update(re.findall(r"\blog\.\w+\(\s*\"(\w+)\"", text))
        found.update(name for pair in re.findall(r"Outage\(\"(\w+)\", \"(\w+)\"", text) for name in pair)
        found.update(re.findall(r"log_fault\(\"(\w+)\"", text))
    return found | {f"{kind}_ended" for kind in ("worker", "delivery_worker", "valkey")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_code_and_event_that_a_page_names_exists(page: Path) -> None:
    named = {text for text in code(page.read_text()) if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", text)}
    metrics = {text for text in named if text.startswith("inbox_")}  # tests/test_docs.py compares these
    samplers = {text for text in named if text.startswith(("parentbased_", "traceidratio"))}
    known = {each.kind.code for each in ErrorCode} | {each.name.lower() for each in CloseCode} | log_events() | FIELDS
    assert not named - metrics - samplers - known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    found = re.findall(r"inbox-gateway ((?:[a-z-]+ ?)+)([^`\n|]*)", page.read_text())
    assert found
    for words, rest in found:
        command: click.Command = cli
        for word in words.split():
            if not isinstance(command, click.Group) or word not in command.commands:
                break
            command = command.commands[word]
        assert command is not cli, words
        options = {option for param in command.params for option in param.opts}
        assert set(re.findall(r"--[a-z-]+", f"{words} {rest}")) <= options, f"{words} {rest}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_operation_that_a_page_names_exists(page: Path) -> None:
    paths = {re.sub(r"{.*?}", "{}", f"{row.method} {row.path}") for row in OPERATIONS}
    named = re.findall(r"`((?:GET|POST|PUT|DELETE) /[^`]*)`", page.read_text())
    assert not {each for each in named if re.sub(r"{.*?}", "{}", each) not in paths}


def test_each_close_code_has_its_reason() -> None:
    by_code = {each.value: each.name.lower() for each in CloseCode}
    found = re.findall(r"(4\d\d\d) \(`(\w+)`\)", PAGE)
    assert found
    assert {by_code[int(number)] for number, _ in found} == {reason for _, reason in found}


def sentences() -> Iterator[tuple[str, list[str]]]:
    """Iterate over what ends a start: where it is raised, and the constant parts of its message."""
    for path in STARTING:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                texts = [text for text in constants(node.exc.args[0]) if len(text.strip()) > 5]
                if getattr(node.exc.func, "id", "") in ERRORS and texts:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", texts
    yield "gateway/store/errors.py", [str(ForeignSecretKeyError())]


def constants(node: ast.AST) -> list[str]:
    """Return all texts in a piece of code."""
    return [each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def shown() -> list[str]:
    """Return the parts of the sentences in the table, without what stands for names and numbers."""
    rows = re.findall(r"^\| (.*?) \|", PAGE.partition("## A node does not start")[2], re.MULTILINE)
    cells = [cell for row in rows for cell in re.findall(r"`([^`]+)`", row)]
    return [part for cell in cells for each in cell.split("…") if len(part := each.strip(" ()")) >= 8]


def test_each_sentence_with_which_a_start_can_end_is_in_the_table() -> None:
    missing = [
        f"{place}: {texts}"
        for place, texts in sentences()
        if not any(part in text.replace("`", "") for text in texts for part in shown())
    ]
    assert not missing, "\n".join(["Add a row to docs/production/troubleshooting.md for", *missing])


def test_each_sentence_in_the_table_can_be_said() -> None:
    sources = [*STARTING, GATEWAY / "settings.py", GATEWAY / "store" / "errors.py"]
    said = " ".join(text.replace("`", "") for path in sources for text in constants(ast.parse(path.read_text())))
    assert not [part for part in shown() if part not in said]
