"""Whether the commit can be released: what `python -m tests.release check` prints."""

import re
import subprocess
from collections.abc import Iterator

from gateway import __version__
from tests.release.distributions import ROOT


def faults() -> Iterator[str]:
    """Yield what must be done before the release."""
    heading = re.search(rf"^## {re.escape(__version__)} \((.*)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    if heading is None:
        yield f"CHANGELOG.md has no section for {__version__}, the version in gateway/__init__.py"
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", heading[1]):
        yield f"CHANGELOG.md has {heading[1]!r} in place of the date of {__version__}"
    if _git("status", "--porcelain"):
        yield "the work tree has changes that are not committed"
    tag = f"v{__version__}"
    if not _git("tag", "--list", tag):
        yield f"there is no tag {tag}: git tag --sign {tag}"
    elif _git("rev-list", "-1", tag) != _git("rev-parse", "HEAD"):
        yield f"{tag} is another commit than this one"


def _git(*arguments: str) -> str:
    command = ("git", *arguments)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()
