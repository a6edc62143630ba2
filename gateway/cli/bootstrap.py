"""`prepare`: what a start does before the workers, in a process of its own. Nothing that is there is changed."""

import os
import time
from typing import TYPE_CHECKING

import click

from gateway.cli.common import notice, read_settings, run_with_projects
from gateway.cli.demo import keep_demo
from gateway.cli.trouble import StoreFormatTroubleError, StoreTroubleError, StoreWritesTroubleError, store_name
from gateway.domain.credential_rules import is_weak
from gateway.domain.service_links import service_links
from gateway.settings import PREFIX, Settings
from gateway.telemetry.logs import configure_logging, log

if TYPE_CHECKING:
    from gateway.domain.principal import Project
    from gateway.store.project_audit import ProjectAudit
    from gateway.store.projects import ProjectStore

PATIENCE_SECONDS = 30.0
"""How long a start waits for a Redis of one's own, which may be starting as well."""

MOST_NAMED = 20
"""Projects that a log line names."""


@click.command(hidden=True)
def prepare() -> None:
    """Create what a first start needs, and finish what an earlier one left; `serve` runs this."""
    settings = read_settings()
    configure_logging(settings.log_level)
    if links := service_links(os.environ, PREFIX):
        log.info("service_links_ignored", variables=links)

    async def work(projects: "ProjectStore") -> None:
        await _prepare(settings, projects)

    deadline, told = time.monotonic() + PATIENCE_SECONDS, ""
    while True:
        try:
            run_with_projects(settings, work)
            return
        except StoreFormatTroubleError as problem:
            # The workers start, are not ready, say why, and serve once an operator has put things right.
            log.error("store_format_unknown", problem=str(problem))
            return
        except StoreWritesTroubleError as problem:
            log.error("store_takes_no_writes", reason=str(problem))  # likewise
            return
        except StoreTroubleError as problem:
            if settings.embedded or not problem.may_heal or time.monotonic() > deadline:
                raise
            if str(problem) != told:
                told = str(problem)
                notice(f"{told}; trying again for {PATIENCE_SECONDS:.0f} s")
        time.sleep(0.5)


def bootstrap_differences(settings: Settings, kept: "Project") -> list[str]:
    """Return how the stored project differs from what INBOX_BOOTSTRAP_* says."""
    found = []
    if settings.bootstrap_api_secret not in kept.secrets:
        found.append("INBOX_BOOTSTRAP_API_SECRET is not its API secret: it was rotated, or created with another one")
    if settings.bootstrap_hmac_enabled != kept.hmac_enabled:
        state = "on" if kept.hmac_enabled else "off"
        found.append(f"its HMAC is {state}; `inbox-gateway project set {kept.api_key} --hmac | --no-hmac` changes it")
    return found


async def restore(settings: Settings, projects: "ProjectStore") -> None:
    """Bring back the project that the settings name, or the demo project, into a store that has lost all of its.

    Without either there is nothing to bring back: the store waits for its backup, or for `project create`.
    """
    from gateway.store.project_audit import audit_projects, check_secret_key

    if settings.bootstrap_api_key or settings.embedded:
        await projects.prepare()
        await check_secret_key(projects, await audit_projects(projects))
        await _create_missing(settings, projects, await audit_projects(projects))
        log.warning("projects_restored", suggestion="other projects of the lost store have to be created again")


async def _prepare(settings: Settings, projects: "ProjectStore") -> None:
    from gateway.store.project_audit import audit_projects
    from gateway.store.redis.problems import StoreWritesRefusedError

    await _examine_servers(settings, projects)
    found = await audit_projects(projects)
    try:
        await _create_missing(settings, projects, found)
        found = await audit_projects(projects)
    except StoreWritesRefusedError as problem:
        # Those who read, delete and hold connections have more from a gateway that runs.
        log.error("store_takes_no_writes", reason=problem.cause)
    _report(settings, found)


async def _examine_servers(settings: Settings, projects: "ProjectStore") -> None:
    """Log what is wrong with the servers. Raises StoreTroubleError when they do not allow what every request needs."""
    from gateway.store.redis.diagnosis import Severity, examine

    async for finding in examine(projects.client):
        if finding.topic == "permissions":
            raise StoreTroubleError(f"{store_name(settings)} refuses: {finding.text}", may_heal=False)
        if finding.severity is not Severity.FINE:
            log.warning("store_finding", topic=finding.topic, message=finding.text, suggestion="see `doctor`")


async def _create_missing(settings: Settings, projects: "ProjectStore", found: "ProjectAudit") -> None:
    from gateway.store.jobs import JobStore

    if settings.bootstrap_api_key:
        kept = await projects.keep(
            "Bootstrap",
            settings.bootstrap_api_key,
            settings.bootstrap_api_secret,
            settings.bootstrap_hmac_enabled,
        )
        for difference in bootstrap_differences(settings, kept):
            log.warning("bootstrap_project_differs", api_key=kept.api_key, difference=difference)
    elif settings.embedded:
        await keep_demo(settings, projects, found)
    jobs = JobStore(projects.client)
    for project_id in await projects.deleted():
        await jobs.enqueue_project_deletion(project_id)
        await projects.forget_deleted(project_id)


def _report(settings: Settings, found: "ProjectAudit") -> None:
    """Log what an operator should know before the first request."""
    if found.without_hmac:
        log.warning(
            "hmac_is_off",
            projects=len(found.without_hmac),
            api_keys=found.without_hmac[:MOST_NAMED],
            consequence="whoever has the public API key can open the inbox of any user of these projects",
            suggestion="inbox-gateway project set API_KEY --hmac",
        )
    if found.unreadable:
        log.error("secret_key_cannot_read", api_keys=found.unreadable[:MOST_NAMED], suggestion="see `doctor`")
    if found.broken:
        log.error("project_record_broken", api_keys=found.broken[:MOST_NAMED], suggestion="see `doctor`")
    if found.weak:
        log.warning(
            "api_secret_is_weak", api_keys=found.weak[:MOST_NAMED], suggestion="inbox-gateway project rotate-secret"
        )
    if is_weak(settings.secret_key):
        log.warning("secret_key_is_weak", suggestion="a random INBOX_SECRET_KEY of 32 characters, from the start on")
    if not found.projects:
        log.info("no_project", suggestion="inbox-gateway project create NAME")
