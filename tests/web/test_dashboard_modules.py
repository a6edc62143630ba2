"""Modules of the dashboard that need no browser, in Node's test runner.

Each `dashboard/*.test.mjs` imports sources as `dashboard/…`, and is bundled with what it imports.
"""

import os
import subprocess
from pathlib import Path

from tests.npm import WEB, web_modules

TESTS = Path(__file__).parent / "dashboard"


def test_the_modules_pass_their_tests(tmp_path: Path) -> None:
    modules = web_modules()
    names = sorted(map(str, TESTS.glob("*.test.mjs")))
    options = ("--bundle", "--format=esm", "--platform=node", "--loader:.css=text", '--define:__VERSION__="0.0.0"')
    alias = f"--alias:dashboard={WEB / 'src' / 'dashboard'}"
    command = (str(modules / ".bin" / "esbuild"), *names, *options, alias, "--log-level=error", f"--outdir={tmp_path}")
    environment = os.environ | {"NODE_PATH": str(modules)}  # where esbuild finds Preact
    subprocess.run((*command, "--out-extension:.js=.mjs"), env=environment, check=True, timeout=60)
    done = subprocess.run(
        ("node", "--test", "--test-reporter=tap", "--test-timeout=30000", *map(str, sorted(tmp_path.glob("*.mjs")))),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# skipped 0" in done.stdout
