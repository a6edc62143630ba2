"""The tables of the guide to the bell have every attribute, property, event, slot, part and variable, and no other."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BELL = ROOT / "gateway" / "web" / "src" / "bell"
SOURCE = "\n".join(path.read_text() for path in sorted(BELL.glob("*.ts")))
STYLES = "\n".join(path.read_text() for path in sorted(BELL.glob("*.css")))
TYPES = (BELL / "types.ts").read_text()
GUIDE = (ROOT / "docs" / "bell" / "README.md").read_text()


def declared(interface: str) -> set[str]:
    """Return the members of an interface of the public types."""
    (body,) = re.findall(rf"^export interface {interface} {{\n(.*?)^}}", TYPES, flags=re.DOTALL | re.MULTILINE)
    return set(re.findall(r'^  "?([\w-]+)"?\??:', body, flags=re.MULTILINE))


def parts() -> set[str]:
    """Return the parts of the elements. An icon button's part is its third argument."""
    named = re.findall(r'\bpart: "([\w -]+)"', SOURCE) + re.findall(r'\bset\(\w+, "part", "([\w -]+)"', SOURCE)
    named += re.findall(r'\biconButton\(.*"([\w-]+)"[,)]', SOURCE)
    return {name for names in named for name in names.split()}


EXISTING = {
    "Attributes": declared("InboxAttributes"),
    "Properties and methods": declared("InboxProperties"),
    "Events": declared("InboxEvents"),
    "Slots": set(re.findall(r'(?:h\("slot", { name: "|template\[slot=)([\w-]+)', SOURCE)),
    "Parts": parts(),
    "Variables": set(re.findall(r"--inbox-[\w-]+", STYLES)),
}


@pytest.mark.parametrize("heading", EXISTING)
def test_a_table_lists_what_exists(heading: str) -> None:
    section = GUIDE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    firsts = re.findall(r"^\| (`.*?`) \|", section, flags=re.MULTILINE)
    listed = [name for cell in firsts for name in re.findall(r"`([\w-]+)`", cell)]
    assert sorted(listed) == sorted(EXISTING[heading])
