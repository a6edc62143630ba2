"""Every snippet of the documentation is run by a test, or says why not."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs.snippets import DOCS, PAGES, ROOT, snippets_of

IN_ONE_TERMINAL = {
    *DOCS.glob("channels/*.md"),
    *DOCS.glob("concepts/*.md"),
    *DOCS.glob("dashboard/*.md"),
    DOCS / "migrate.md",
    DOCS / "production" / "trace.md",
}
"""The pages whose shell snippets run one after the other, in tests/test_docs.py."""

OTHERS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "README.md": (4, ("tests/test_docs.py", "tests/browser/test_bell_guides.py")),
    "CONTRIBUTING.md": (4, ("tests/test_contributing.py",)),
    "docs/quickstart.md": (2, ("tests/browser/test_bell_guides.py",)),
    "docs/api/README.md": (7, ("tests/test_docs.py",)),
    "docs/api/v2.md": (15, ("tests/test_docs.py",)),
    "docs/api/webhooks.md": (7, ("tests/end_to_end/test_webhooks_guide.py",)),
    "docs/bell/README.md": (
        15,
        ("tests/browser/test_bell_guides.py", "tests/browser/test_loading.py", "tests/browser/test_wrappers.py"),
    ),
    "docs/bell/client.md": (1, ("tests/browser/test_bell_guides.py",)),
    "docs/bell/content-security-policy.md": (2, ("tests/browser/test_bell_guides.py",)),
    "docs/bell/signing.md": (9, ("tests/docs/test_signing.py", "tests/browser/test_bell_guides.py")),
    "docs/bell/theming.md": (5, ("tests/docs/test_bell_theme.py", "tests/browser/test_bell_guides.py")),
    "docs/bell/translations.md": (2, ("tests/browser/test_bell_guides.py",)),
    "docs/bell/webview.md": (2, ("tests/browser/test_bell_guides.py",)),
}
"""How many snippets of a page which tests run."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_snippet_is_run_by_a_test_or_says_why_not(page: Path) -> None:
    run = [snippet.language for snippet in snippets_of(page) if not snippet.not_run]
    if page in IN_ONE_TERMINAL:
        assert set(run) <= {"sh"}, "only shell snippets run here: mark the others `<!-- not run: … -->`"
        return
    count, tests = OTHERS.get(str(page.relative_to(ROOT)), (0, ()))
    assert len(run) == count, "count the snippet in OTHERS, with its test, or mark it `<!-- not run: … -->`"
    assert all((ROOT / test).is_file() for test in tests)


def test_most_snippets_are_run() -> None:
    snippets = [each for page in PAGES for each in snippets_of(page)]
    not_run = [each for each in snippets if each.not_run]
    assert len(not_run) < len(snippets) / 2
    assert all(len(each.not_run.split()) > 2 for each in not_run), "name the reason"
