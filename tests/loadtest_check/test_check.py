"""The checker reports the promise that a gateway without one of its safeguards breaks."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.loadtest_check.broken_gateway import MODULE

OPTIONS = ("--users", "5", "--fault-seconds", "2", "--patience", "4", "--fail-fast")


def check(path: Path, way: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Run the checker on a gateway without a safeguard. Return the exit code and the result."""
    command = f"{sys.executable} -m {MODULE} {way}"
    arguments = [*OPTIONS, "--json", str(path), "--gateway-command", command, *options]
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.check", *arguments], capture_output=True, text=True, check=False, timeout=110
    )
    assert path.exists(), done.stderr
    result: dict[str, Any] = json.loads(path.read_text())
    assert f"seed {result['seed']}" in done.stdout
    return done.returncode, result


@pytest.mark.parametrize(
    ("way", "fault", "named"),
    [
        ("gap_repair", "pubsub_cut", {"lost", "stalled"}),
        ("subscribe_order", "redis_slow", {"stalled"}),
        ("deduplication", "redis_slow", {"doubled"}),
        ("delivery_ids", "providers_fail", {"delivery's id changed"}),
        ("delivery_read_check", "delivery_calm", {"delivery not cancelled"}),
        ("delivery_unknown", "providers_fail", {"delivery doubled"}),
    ],
)
def test_a_gateway_without_a_safeguard_is_reported(way: str, fault: str, named: set[str], tmp_path: Path) -> None:
    code, result = check(tmp_path / "result.json", way, "--fault", fault, "--seconds", "40")
    assert code == 1
    found = {violation["kind"] for violation in result["violations"]}
    assert found & named, found
    assert {violation["fault"] for violation in result["violations"]} == {fault}


def test_an_intact_gateway_passes(tmp_path: Path) -> None:
    code, result = check(
        tmp_path / "result.json", "nothing", "--seconds", "0", "--fault", "pubsub_cut", "--fault", "redis_slow"
    )
    assert (code, result["violations"]) == (0, [])
    assert {record["fault"] for record in result["faults"]} == {"pubsub_cut", "redis_slow"}
    for record in result["faults"]:
        assert record["sent"] > 0
        assert record["delivered"] > record["sent"]


def test_a_huge_inbox_is_marked_and_deleted_while_others_are_used(tmp_path: Path) -> None:
    options = ("--seconds", "0", "--patience", "20", "--fault", "huge_inbox")  # Redis may not reply for seconds
    code, result = check(tmp_path / "result.json", "nothing", *options)
    assert (code, result["violations"]) == (0, [])
    (record,) = result["faults"]
    assert record["sent"] > 0
