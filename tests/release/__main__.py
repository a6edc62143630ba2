"""Make the files of a release, in build/release.

python -m tests.release build   all of them, with their checksums
python -m tests.release sbom    the bill of materials alone
python -m tests.release check   print what is missing for a release of this commit
"""

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from gateway import __version__
from tests.release.distributions import ROOT, build_chart, build_distributions, commit_time
from tests.release.readiness import faults
from tests.release.sbom import SbomError, write_sbom

FOLDER = ROOT / "build" / "release"
TOOL = ROOT / ".venv-release" / "bin" / "cyclonedx-py"
CHECKSUMS = "SHA256SUMS"


def build() -> None:
    """Build everything into an empty folder, and write the checksums. Raises SbomError."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    epoch = commit_time()
    print("building the source distribution and the wheel")
    _, wheel = build_distributions(FOLDER, epoch)
    build_chart(FOLDER, __version__, epoch)
    bill(wheel, epoch)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(FOLDER.iterdir())]
    (FOLDER / CHECKSUMS).write_text("".join(lines))
    print("".join(lines), end="")
    print(f"in {FOLDER.relative_to(ROOT)}")


def bill(wheel: Path, epoch: int) -> None:
    """Write the bill of materials. Raises SbomError."""
    print("installing the locked packages for the bill of materials: half a minute")
    path = FOLDER / f"inbox-gateway-{__version__}.cdx.json"
    print(f"the bill of materials has {write_sbom(path, TOOL, wheel, __version__, epoch)} packages")


def bill_alone() -> None:
    """Write the bill of materials, and keep no wheel. Raises SbomError."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        epoch = commit_time()
        _, wheel = build_distributions(Path(folder), epoch)
        bill(wheel, epoch)


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
    try:
        match sys.argv[1:]:
            case ["build"]:
                build()
            case ["sbom"]:
                bill_alone()
            case ["check"]:
                return check()
            case ["-h" | "--help"]:
                print(__doc__, end="")
            case _:
                print(__doc__, end="", file=sys.stderr)
                return 2
    except SbomError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
