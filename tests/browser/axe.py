"""axe-core, which finds what keeps people from using a page."""

from typing import Any

from playwright.sync_api import Page

from tests.npm import web_modules

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""Levels A and AA, and what axe-core recommends beyond them."""

RUN = """async ([selector, tags]) => {
    const found = await axe.run(selector, { runOnly: tags, resultTypes: ["violations"] });
    return found.violations.map(({ id, help, nodes }) =>
        `${id}: ${help}\\n` + nodes.map(({ html, failureSummary }) => `  ${html}\\n  ${failureSummary}`).join("\\n"));
}"""


def violations(page: Page, selector: str) -> list[str]:
    """Return what axe-core finds in an element and its shadow root. Skips the test if there is no Node."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((web_modules() / "axe-core" / "axe.min.js").read_text())
    found: Any = page.evaluate(RUN, [selector, list(RULES)])
    return list(found)
