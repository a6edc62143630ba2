"""The revision of the source that runs: that of a build, or of the checkout."""

import re
from contextlib import suppress
from pathlib import Path

_PACKAGE = Path(__file__).parent
_LENGTH = 12


def revision(package: Path = _PACKAGE) -> str:
    """Return the first characters of the commit, "" if it is unknown.

    A build may write the commit to the file `REVISION` of the package.
    """
    with suppress(OSError):
        return _short((package / "REVISION").read_text())
    git = package.parent / ".git"
    with suppress(OSError):
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return _short(head)
        name = head.removeprefix("ref: ")
        with suppress(OSError):
            return _short((git / name).read_text())
        for line in (git / "packed-refs").read_text().splitlines():
            if line.endswith(f" {name}"):
                return _short(line)
    return ""


def _short(text: str) -> str:
    found = re.match(r"[0-9a-f]{40}", text.strip())
    return found[0][:_LENGTH] if found else ""
