"""`doctor`: checks of the machine, the settings, the store and deliveries, and what is missing for production.

The checks are in the modules `*_findings.py` and in `gateway/store/redis/diagnosis.py`; this one runs and prints them.
"""

import ipaddress
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import click

from gateway import __version__
from gateway.cli.configuration import read_settings, with_known_secret_key
from gateway.cli.errors import CommandError
from gateway.cli.terminal import printable
from gateway.domain.finding import Finding, Severity
from gateway.server.errors import ServerError
from gateway.settings import Settings, SettingsError
from gateway.telemetry.logs import log

PAGE = "docs/production/doctor.md"
"""The page that has a section for each topic."""

FAULTS, NOT_CHECKED = 1, 2
"""The exit codes, besides 0."""


@click.command()
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@click.option("--production", is_flag=True, help="Count what is missing for production as warnings.")
@click.option("--api-key", help="Check the integrations of this project only.")
@click.option("--offline", is_flag=True, help="Call neither providers nor INBOX_PUBLIC_URL.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(strict: bool, production: bool, api_key: str | None, offline: bool, as_json: bool) -> None:
    """Check the machine, settings, store and integrations. It names what is missing for production, and sends nothing.

    Points that matter in production only are advice. They are warnings with `--production`, and where INBOX_REDIS_URL
    or INBOX_PUBLIC_URL is set or INBOX_HOST is not loopback.

    The exit code is 0 if the gateway can run, 1 if there is a problem (with `--strict` also for warnings), and 2 if
    something could not be checked: the settings are invalid, or the store cannot be reached.
    """
    report = Report(production, as_json)
    try:
        settings = read_settings()
    except SettingsError as fault:
        for line in str(fault).splitlines():
            report.add(Finding("settings", line, Severity.PROBLEM, "`inbox-gateway settings` lists them all"))
        report.end(NOT_CHECKED, strict=strict)
    report.is_production = production or is_production(settings)
    report.end(_examine(settings, report, api_key, offline=offline), strict=strict)


def is_production(settings: Settings) -> bool:
    """Return whether the settings are those of more than a trial on one's own machine."""
    try:
        is_local = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        is_local = settings.host == "localhost"
    return not settings.embedded or bool(settings.public_url) or not is_local


def _examine(settings: Settings, report: "Report", only: str | None, *, offline: bool) -> int:
    """Add all findings, and return NOT_CHECKED if the store cannot be reached, otherwise 0."""
    import asyncio

    from gateway.cli.exposure_findings import examine_exposure, examine_public_url
    from gateway.cli.machine_findings import examine_machine
    from gateway.cli.store_access import started_store
    from gateway.cli.store_findings import examine_store
    from gateway.cli.trace_findings import examine_traces

    for part in (examine_machine(settings), examine_exposure(settings, offline=offline)):
        for finding in part:
            report.add(finding)
    if not offline:
        for finding in chain(examine_public_url(settings), examine_traces(settings, os.environ)):
            report.add(finding)
    known = with_known_secret_key(settings)

    async def examine() -> None:
        async for finding in examine_store(known, only, offline=offline, has_own_key=bool(settings.secret_key)):
            report.add(finding)

    try:
        # Lines about what is broken would repeat the findings.
        with started_store(known), log.silenced():
            asyncio.run(examine())
    except (CommandError, ServerError) as fault:
        report.add(Finding("store", str(fault), Severity.PROBLEM))
        return NOT_CHECKED
    return 0


class Report:
    """Prints findings: as they come, or as one JSON object at the end."""

    def __init__(self, is_production: bool, as_json: bool):
        self.is_production = is_production
        self._as_json = as_json
        self._found: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """Add a finding. In production, advice is a warning."""
        if self.is_production and finding.severity is Severity.ADVICE:
            finding = replace(finding, severity=Severity.WARNING)
        self._found.append(finding)
        if not self._as_json and finding.severity is not Severity.ADVICE:
            _print(finding)

    def end(self, code: int, *, strict: bool) -> None:
        """Print the summary, and exit with the code, or with FAULTS if there are faults."""
        faults = self._count(Severity.PROBLEM) + (self._count(Severity.WARNING) if strict else 0)
        code = code or (FAULTS if faults else 0)
        if self._as_json:
            click.echo(json.dumps(self._object(code), indent=2, ensure_ascii=False))
        else:
            self._print_summary()
        sys.exit(code)

    def _count(self, severity: Severity) -> int:
        return sum(each.severity is severity for each in self._found)

    def _print_summary(self) -> None:
        points = [each for each in self._found if each.severity is Severity.ADVICE]
        if points:
            click.echo("\nBefore you use it in production (`doctor --production` counts these as warnings):")
            for each in points:
                _print(each)
            click.echo()
        problems, warnings = self._count(Severity.PROBLEM), self._count(Severity.WARNING)
        if not problems and not warnings:
            click.echo("all well")
        else:
            click.echo(f"{problems} problem{'s' * (problems != 1)}, {warnings} warning{'s' * (warnings != 1)}")

    def _object(self, code: int) -> dict[str, Any]:
        return {
            "version": __version__,
            "production": self.is_production,
            "findings": list(map(_shown, self._found)),
            "summary": {
                "problems": self._count(Severity.PROBLEM),
                "warnings": self._count(Severity.WARNING),
                "advice": self._count(Severity.ADVICE),
                "exit_code": code,
            },
        }


def _print(finding: Finding) -> None:
    label = f"{finding.severity.value}: " if finding.severity in (Severity.WARNING, Severity.PROBLEM) else ""
    click.echo(printable("\n".join(_lines(finding, label))))


def _lines(finding: Finding, label: str) -> Iterator[str]:
    yield f"{finding.topic:<10} {label}{finding.text}"
    if finding.severity is not Severity.FINE:
        yield f"{'':10} → {finding.advice}{' ' if finding.advice else ''}({page_of(finding.topic)})"


def _shown(finding: Finding) -> dict[str, str]:
    return {
        "topic": finding.topic,
        "severity": finding.severity.value.lower(),
        "text": finding.text,
        "advice": finding.advice,
        "doc": page_of(finding.topic),
    }


def page_of(topic: str) -> str:
    """Return where a topic is described."""
    return f"{PAGE}#{topic.replace(' ', '-')}"
