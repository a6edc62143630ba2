"""`doctor`: checks of the machine, the settings and the store, and warnings about later problems."""

import os
import resource
import secrets
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from gateway.cli.arguments import find_project
from gateway.cli.bootstrap import MAX_NAMED, bootstrap_differences
from gateway.cli.configuration import read_settings, secret_key_path, with_secret_key
from gateway.cli.errors import CommandError
from gateway.cli.store_access import started_store
from gateway.cli.store_errors import store_error
from gateway.domain.credential_rules import is_weak
from gateway.domain.service_links import service_links
from gateway.runtime.memory import valkey_memory_mb
from gateway.server.errors import ServerError
from gateway.settings import PREFIX, Settings
from gateway.telemetry.logs import log

if TYPE_CHECKING:
    from gateway.store.project_audit import ProjectAudit
    from gateway.store.projects import ProjectStore
    from gateway.store.redis.diagnosis import Finding

FEW_FILES = 10_000
"""Fewer open files than this are a warning: each connection needs one."""


@click.command()
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@click.option("--api-key", help="Check the integrations of this project only.")
@click.option("--offline", is_flag=True, help="Do not ask providers whether they accept the integrations.")
def doctor(strict: bool, api_key: str | None, offline: bool) -> None:
    """Check the machine, settings, store and integrations. Nothing is sent.

    The exit code is 1 if the gateway cannot run with them.
    """
    import asyncio

    from gateway.store.redis.diagnosis import Severity

    settings = read_settings()
    counts = dict.fromkeys(Severity, 0)

    def show(finding: "Finding") -> None:
        counts[finding.severity] += 1
        label = "" if finding.severity is Severity.FINE else f"{finding.severity.value}: "
        click.echo(f"{finding.topic:<10} {label}{finding.text}")

    for finding in _examine_machine(settings):
        show(finding)
    settings = _with_known_secret_key(settings)

    async def examine() -> None:
        async for finding in _examine_store(settings, api_key, offline=offline):
            show(finding)

    try:
        # Lines about what is broken would repeat the findings.
        with started_store(settings), log.silenced():
            asyncio.run(examine())
    except (CommandError, ServerError) as problem:
        from gateway.store.redis.diagnosis import Finding

        show(Finding("store", str(problem), Severity.PROBLEM))
    problems, warnings = counts[Severity.PROBLEM], counts[Severity.WARNING]
    if not problems and not warnings:
        click.echo("all well")
        return
    click.echo(f"{problems} problem{'s' * (problems != 1)}, {warnings} warning{'s' * (warnings != 1)}")
    if problems or strict:
        sys.exit(1)


def _examine_machine(settings: Settings) -> "Iterator[Finding]":
    from gateway.store.redis.diagnosis import Finding, Severity

    links = service_links(os.environ, PREFIX)
    yield Finding("settings", f"ok; {len(links)} service links of Kubernetes are ignored" if links else "ok")
    yield _open_files()
    if settings.embedded:
        memory_mb = valkey_memory_mb(settings.valkey_memory_mb)
        yield Finding("store", f"bundled Valkey in {settings.data_dir}, with {memory_mb:,} MB for data")
    else:
        yield Finding("store", "INBOX_REDIS_URL")
        if not settings.secret_key:
            text = "INBOX_SECRET_KEY is not set, and nodes that share a Redis need the same one"
            yield Finding("secret key", text, Severity.WARNING)
    if settings.secret_key and is_weak(settings.secret_key):
        yield Finding("secret key", "easy to guess: use 32 random characters", Severity.WARNING)


def _open_files() -> "Finding":
    from gateway.store.redis.diagnosis import Finding, Severity

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else sys.maxsize
    if max(soft, most) < FEW_FILES:
        text = f"{soft}, with a hard limit of {hard}: each connection needs one; raise `ulimit -Hn`"
        return Finding("open files", text, Severity.WARNING)
    return Finding("open files", f"{soft} ok" if soft >= FEW_FILES else f"{soft}, which `serve` raises")


def _with_known_secret_key(settings: Settings) -> Settings:
    """Return the settings with the secret key that a start would use, without writing a new one to disk."""
    if settings.secret_key or secret_key_path(settings).exists():
        return with_secret_key(settings)
    return replace(settings, secret_key=secrets.token_urlsafe(32))


async def _examine_store(settings: Settings, only: str | None, *, offline: bool) -> "AsyncIterator[Finding]":
    from gateway.store import keys
    from gateway.store.formats import check_format
    from gateway.store.library import LIBRARY
    from gateway.store.project_audit import audit_projects, owns_secret_key
    from gateway.store.projects import ProjectStore
    from gateway.store.redis.client import FunctionClient, StoreUnavailableError
    from gateway.store.redis.diagnosis import Finding, Severity, examine
    from gateway.store.redis.problems import StoreWritesRefusedError
    from gateway.store.redis.topology import Topology
    from gateway.store.state import check_writes, read_state

    client = FunctionClient(Topology(settings), LIBRARY)
    try:
        async for finding in examine(client):
            yield finding
        await check_format(client)
        try:
            await check_writes(client, keys.GENERATION)
        except StoreWritesRefusedError as problem:
            yield Finding("writes", f"refused: {problem.cause}", Severity.PROBLEM)
        state = await read_state(client)
        if state.known and not state.projects:
            yield Finding("projects", f"{state.known} are lost: restore the store from its backup", Severity.PROBLEM)
        projects = ProjectStore(client, settings.secret_key)
        found = await audit_projects(projects)
        for finding in _examine_projects(settings, found, belongs=await owns_secret_key(projects, found)):
            yield finding
        api_key = settings.bootstrap_api_key
        if api_key and api_key not in (*found.unreadable, *found.broken):
            kept = await projects.by_api_key(api_key)
            for difference in bootstrap_differences(settings, kept) if kept is not None else ():
                yield Finding("bootstrap", difference, Severity.WARNING)
        async for finding in _examine_deliveries(settings, projects, only, offline=offline):
            yield finding
    except StoreUnavailableError as problem:
        raise store_error(settings, problem) from None
    finally:
        client.close()


async def _examine_deliveries(
    settings: Settings, projects: "ProjectStore", only: str | None, *, offline: bool
) -> "AsyncIterator[Finding]":
    from gateway.cli.delivery_findings import MAX_PROJECTS, TOPIC, examine_deliveries
    from gateway.store.redis.diagnosis import Finding

    found = [await find_project(projects, only)] if only else await projects.all()
    if len(found) > MAX_PROJECTS:
        yield Finding(TOPIC, f"not checked for {len(found)} projects: name one with --api-key")
        return
    async for finding in examine_deliveries(settings, projects.client, found, offline=offline):
        yield finding


def _examine_projects(settings: Settings, found: "ProjectAudit", *, belongs: bool) -> "Iterator[Finding]":
    from gateway.store.redis.diagnosis import Finding, Severity

    yield Finding("projects", str(found.projects))
    if found.unreadable:
        text = f"another key encrypted the API secrets of {_named(found.unreadable)}: requests with them are refused"
        yield Finding("secret key", text, Severity.PROBLEM)
    elif not belongs:
        yield Finding("secret key", "differs from that of the nodes that use this store", Severity.PROBLEM)
    elif found.projects > len(found.broken):
        yield Finding("secret key", "decrypts the secrets of every project")
    if found.broken:
        yield Finding("projects", f"{_named(found.broken)}: the stored record is not a project", Severity.PROBLEM)
    if found.weak:
        text = f"easy to guess for {_named(found.weak)}: `inbox-gateway project rotate-secret` generates a better one"
        yield Finding("api secret", text, Severity.WARNING)
    if found.without_hmac:
        text = (
            f"off for {_named(found.without_hmac)}: any client with the public API key can open the inbox of every user"
        )
        yield Finding("hmac", text, Severity.WARNING)


def _named(api_keys: Sequence[str]) -> str:
    more = len(api_keys) - MAX_NAMED
    return ", ".join(api_keys[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
