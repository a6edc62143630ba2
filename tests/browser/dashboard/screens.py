"""The screens of the dashboard, as its own table lists them: a new screen is in every test of all screens."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.browser.dashboard.dashboard import Dashboard

_TABLE = Path(__file__).parents[3] / "gateway" / "web" / "src" / "dashboard" / "screens.ts"
_ROW = re.compile(r'\{ path: "([^"]+)", title: \(\) => t\("([^"]+)"\), .*role: "(\w+)"')


@dataclass(frozen=True)
class Screen:
    """A row of the table: its path, its title, the lowest role, and whether it is one of the settings."""

    path: str
    title: str
    role: str
    is_setting: bool

    @property
    def name(self) -> str:
        """A short name that no other screen has."""
        return f"settings-{self.path}" if self.is_setting else self.path

    def show(self, dashboard: Dashboard) -> None:
        """Load the screen, and wait for what it shows."""
        if self.is_setting:
            dashboard.goto(f"settings/{self.path}")
        else:
            dashboard.open(self.path)


def _screens() -> list[Screen]:
    projects, _, settings = _TABLE.read_text().partition("export const SETTINGS_SCREENS")
    parts = ((projects, False), (settings, True))
    rows = [(row, is_setting) for text, is_setting in parts for row in _ROW.findall(text)]
    return [Screen(path, title, role, is_setting) for (path, title, role), is_setting in rows]


SCREENS = _screens()
assert len(SCREENS) == _TABLE.read_text().count("load: () => import"), "a row of the table is not read"
