"""Modules of the bell that need no browser, in Node's test runner."""

import os
import subprocess
from pathlib import Path

from tests.npm import WEB, web_modules

SOURCES = WEB / "src" / "bell"


def test_the_modules_pass_their_tests(tmp_path: Path) -> None:
    names = ("english.ts", "panel_english.ts", "settings_english.ts", "locale.ts", "theme.ts")
    entries = [*(SOURCES / name for name in names), *SOURCES.glob("locales/*.ts")]
    options = ("--bundle", "--format=esm", "--loader:.css=text", '--define:__VERSION__="0.0.0"', "--log-level=error")
    command = (str(web_modules() / ".bin" / "esbuild"), *map(str, entries), *options, f"--outdir={tmp_path}")
    subprocess.run((*command, f"--outbase={SOURCES}", "--out-extension:.js=.mjs"), check=True, timeout=60)
    files = sorted(map(str, (Path(__file__).parent / "bell").glob("*.test.mjs")))
    done = subprocess.run(
        ("node", "--test", "--test-reporter=tap", "--test-timeout=30000", *files),
        env=os.environ | {"SOURCES": str(SOURCES), "MODULES": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# skipped 0" in done.stdout
