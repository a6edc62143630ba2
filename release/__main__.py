"""`python -m release build` makes the files of a release, `check` prints what is missing for one."""

import hashlib
import shutil
import sys
from pathlib import Path

from gateway import __version__
from release.distributions import ROOT, build_chart, build_distributions, commit_time
from release.readiness import faults
from release.sbom import SbomError, write_sbom

FOLDER = ROOT / "build" / "release"
TOOL = ROOT / ".venv-release" / "bin" / "cyclonedx-py"
CHECKSUMS = "SHA256SUMS"


def build() -> None:
    """Build everything into an empty folder, and write the checksums."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    epoch = commit_time()
    print("building the source distribution and the wheel")
    _, wheel = build_distributions(FOLDER, epoch)
    build_chart(FOLDER, __version__, epoch)
    print("installing the locked packages for the bill of materials: half a minute")
    packages = write_sbom(FOLDER / f"inbox-gateway-{__version__}.cdx.json", TOOL, wheel, __version__, epoch)
    print(f"the bill of materials has {packages} packages")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(FOLDER.iterdir())]
    (FOLDER / CHECKSUMS).write_text("".join(lines))
    print("".join(lines), end="")
    print(f"in {FOLDER.relative_to(Path.cwd()) if FOLDER.is_relative_to(Path.cwd()) else FOLDER}")


def check() -> int:
    """Print what is missing for a release. Return the exit code."""
    found = list(faults())
    for fault in found:
        print(fault)
    if not found:
        print(f"{__version__} can be released")
    return 1 if found else 0


def main() -> int:
    """Run a command, and return the exit code."""
    match sys.argv[1:]:
        case ["build"]:
            try:
                build()
            except SbomError as problem:
                print(problem, file=sys.stderr)
                return 1
            return 0
        case ["check"]:
            return check()
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
