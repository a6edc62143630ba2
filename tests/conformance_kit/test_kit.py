"""The kit: its checks are those of the specification, the gateway passes them, and a wrong server does not."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from conformance import report
from conformance.__main__ import main
from conformance.checks import SPECIFICATION, Check, Result, Skipped, Suite, exit_code, expect, result_of
from conformance.rules import CLIENT, SERVER
from conformance.target import Target
from tests.conformance_kit.faults import FAULTS, wrong_server
from tests.servers import API_KEY, API_SECRET, Gateway, running_gateway

ROOT = Path(__file__).parents[2]

KEPT_EVENTS = 20

ENVIRONMENT = {
    "INBOX_HEARTBEAT_SECONDS": "2",
    "INBOX_AUTHENTICATION_SECONDS": "3",
    "INBOX_LOG_RETENTION_EVENTS": str(KEPT_EVENTS),
    "INBOX_MAX_CONNECTIONS_PER_USER": "12",
    "INBOX_ALLOWED_ORIGINS": "https://app.example.com",
}
"""Limits that the kit reaches soon."""

SECONDS = 40.0
"""The time limit for each message. Shared machines pause now and then."""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield a gateway of which each check applies."""
    with running_gateway(tmp_path_factory.mktemp("strict") / "data", **ENVIRONMENT) as started:
        yield started


def test_each_check_names_a_section_and_each_numbered_section_has_a_check() -> None:
    text = (ROOT / SPECIFICATION).read_text()
    sections = re.findall(r"^### (\d+\.\d+) ", text, re.MULTILINE)
    checks: list[Check[Any]] = [*SERVER.select(), *CLIENT.select()]
    assert sections == sorted(set(sections), key=lambda section: [int(part) for part in section.split(".")])
    assert {check.section for check in checks} == set(sections)
    assert {check.section[0] for check in CLIENT.select()} == {"9"}
    assert all(check.sentence.endswith(".") for check in checks)


def test_the_gateway_passes_every_check(strict: Gateway) -> None:
    command = (
        sys.executable,
        "-m",
        "conformance",
        "--json",
        f"--retained-events={KEPT_EVENTS}",
        f"--seconds={SECONDS}",
    )
    variables = {"INBOX": strict.url, "API_KEY": API_KEY, "API_SECRET": API_SECRET}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=300)
    results = json.loads(done.stdout)["results"]
    assert [each for each in results if each["outcome"] != "pass"] == []
    assert (done.returncode, len(results)) == (0, len(SERVER.select()))


@pytest.mark.parametrize("name", FAULTS)
async def test_a_wrong_server_fails_the_checks_of_the_rule_that_it_breaks(strict: Gateway, name: str) -> None:
    fault, expected = FAULTS[name]
    async with wrong_server(strict.url, fault) as url, aiohttp.ClientSession(read_bufsize=2**20) as http:
        target = Target(url, API_KEY, API_SECRET, http, patience_seconds=2)
        found = {number: await result_of(SERVER.select([number])[0], target, SECONDS) for number in sorted(expected)}
    assert {number: result.outcome for number, result in found.items()} == dict.fromkeys(expected, "fail")
    assert all(result.expected and result.received for result in found.values())


async def test_a_server_that_is_not_there_fails_and_says_so() -> None:
    async with aiohttp.ClientSession() as http:
        result = await result_of(SERVER.select(["1.1a"])[0], Target("http://127.0.0.1:9", "k", "s", http), SECONDS)
    assert result.outcome == "fail"
    assert "Connect" in result.received


def test_a_report_says_what_was_expected_and_why_a_check_was_skipped() -> None:
    failed = Result("4.2a", "4.2", "A rule.", "fail", 0.1, "one", "two")
    skipped = Result("5.3d", "5.3", "Another.", "skip", 0.1, why="it does not apply")
    passed = Result("9.1a", "9.1", "A third.", "pass", 0.1, did="it came back")
    assert report.line(failed).splitlines() == [
        "FAIL  4.2a  A rule.",
        "      expected  one",
        "      received  two",
        f"      section   4.2 of {SPECIFICATION}",
    ]
    assert report.line(skipped).endswith("because   it does not apply")
    assert report.line(passed).endswith("the client: it came back")
    assert report.summary([failed, skipped, passed]) == "1 passed, 1 failed, 1 skipped. Failed: 4.2a"
    assert (exit_code([failed]), exit_code([skipped, passed])) == (1, 0)
    assert json.loads(report.as_json([skipped]))["results"][0]["why"] == "it does not apply"


async def test_a_check_ends_with_an_outcome_whatever_happens() -> None:
    suite: Suite[str] = Suite()

    @suite.check("1.1a", "Fails.")
    async def _(subject: str) -> None:
        expect(subject == "right", "right", subject)

    @suite.check("1.1b", "Is skipped.")
    async def _(_subject: str) -> None:
        raise Skipped("no")

    @suite.check("1.2a", "Breaks.")
    async def _(_subject: str) -> None:
        raise KeyError("data")

    outcomes = [(await result_of(check, "wrong", 5)).outcome for check in suite.select()]
    assert outcomes == ["fail", "skip", "fail"]
    assert [check.number for check in suite.select(["1.1"])] == ["1.1a", "1.1b"]
    for number in ("1.1a", "2a"):
        with pytest.raises(ValueError, match="is taken or no number"):
            suite.check(number, "Again.")


def test_the_command_lists_its_checks_and_refuses_what_makes_no_sense(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for side, suite in (([], SERVER), (["client"], CLIENT)):
        assert main([*side, "--list"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == len(suite.select())
        with pytest.raises(SystemExit, match="2"):
            main([*side, "--only", "77"])
    for name in ("INBOX", "API_KEY", "API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit, match="2"):
        main(["http://localhost:1"])
    assert "API_SECRET" in capsys.readouterr().err
