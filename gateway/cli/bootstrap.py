"""`prepare`: checks the store and creates the first project, in a process of its own before the workers start.

Existing projects are not changed.
"""

import os
import time
from typing import TYPE_CHECKING

import click

from gateway.cli.admins import ensure_owner
from gateway.cli.configuration import read_settings
from gateway.cli.delivering import check_provider_urls
from gateway.cli.demo import ensure_demo
from gateway.cli.errors import StoreFormatUnknownError, StoreNotWritableError, StoreUnusableError
from gateway.cli.notices import notice
from gateway.cli.store_access import run_with_projects
from gateway.cli.store_errors import store_name
from gateway.domain.credential_rules import is_weak
from gateway.domain.service_links import service_links
from gateway.settings import PREFIX, Settings
from gateway.telemetry.logs import configure_logging, log

if TYPE_CHECKING:
    from gateway.domain.principal import Project
    from gateway.store.project_audit import ProjectAudit
    from gateway.store.projects import ProjectStore

STORE_WAIT_SECONDS = 30.0
"""How long a start waits for the Redis of INBOX_REDIS_URL, which may be starting too."""

MAX_NAMED = 20
"""The maximum number of projects that a log line names."""


@click.command(hidden=True)
def prepare() -> None:
    """Create the first project, and finish interrupted deletions; `serve` runs this."""
    settings = read_settings()
    configure_logging(settings.log_level)
    check_provider_urls(settings)
    if links := service_links(os.environ, PREFIX):
        log.info("service_links_ignored", variables=links)

    async def work(projects: "ProjectStore") -> None:
        await _prepare(settings, projects)

    deadline, reported = time.monotonic() + STORE_WAIT_SECONDS, ""
    while True:
        try:
            run_with_projects(settings, work)
            return
        except StoreFormatUnknownError as problem:
            # The workers start nevertheless. /readyz reports the reason, and they serve once the operator has fixed it.
            log.error("store_format_unknown", problem=str(problem))
            return
        except StoreNotWritableError as problem:
            log.error("store_takes_no_writes", reason=str(problem))  # likewise
            return
        except StoreUnusableError as problem:
            if settings.embedded or not problem.may_recover or time.monotonic() > deadline:
                raise
            if str(problem) != reported:
                reported = str(problem)
                notice(f"{reported}; trying again for {STORE_WAIT_SECONDS:.0f} s")
        time.sleep(0.5)


def bootstrap_differences(settings: Settings, kept: "Project") -> list[str]:
    """Return how the stored project differs from the settings INBOX_BOOTSTRAP_*, one sentence each."""
    found = []
    if settings.bootstrap_api_secret not in kept.secrets:
        found.append("INBOX_BOOTSTRAP_API_SECRET is not its API secret: it was rotated, or created with another one")
    if settings.bootstrap_hmac_enabled != kept.hmac_enabled:
        state = "on" if kept.hmac_enabled else "off"
        found.append(f"its HMAC is {state}; `inbox-gateway project set {kept.api_key} --hmac | --no-hmac` changes it")
    return found


async def restore(settings: Settings, projects: "ProjectStore") -> None:
    """Create the bootstrap project or the demo project again in a store that has lost all of its data.

    Without either, nothing is created: an operator must restore the backup or run `project create`.
    """
    from gateway.store.project_audit import audit_projects, check_secret_key

    if settings.bootstrap_api_key or settings.embedded or settings.demo == "on":
        await projects.prepare()
        await check_secret_key(projects, await audit_projects(projects))
        await _create_missing(settings, projects, await audit_projects(projects))
        log.warning("projects_restored", suggestion="create the other projects of the lost store again")


async def _prepare(settings: Settings, projects: "ProjectStore") -> None:
    from gateway.store.project_audit import audit_projects
    from gateway.store.redis.problems import StoreWritesRefusedError

    await _examine_servers(settings, projects)
    found = await audit_projects(projects)
    try:
        await _create_missing(settings, projects, found)
        if settings.admin == "on" and settings.admin_email:
            await ensure_owner(settings, projects.client)
        found = await audit_projects(projects)
    except StoreWritesRefusedError as problem:
        # The gateway starts nevertheless: reads, deletions and open connections still work.
        log.error("store_takes_no_writes", reason=problem.cause)
    _report(settings, found)


async def _examine_servers(settings: Settings, projects: "ProjectStore") -> None:
    """Log the findings on the servers. Raises StoreUnusableError if a permission is missing."""
    from gateway.domain.finding import Severity
    from gateway.store.redis.diagnosis import examine

    async for finding in examine(projects.client):
        if finding.topic == "permissions":
            raise StoreUnusableError(f"{store_name(settings)} refuses: {finding.sentence}", may_recover=False)
        if finding.severity in (Severity.WARNING, Severity.PROBLEM):
            log.warning("store_finding", topic=finding.topic, message=finding.sentence, suggestion="see `doctor`")


async def _create_missing(settings: Settings, projects: "ProjectStore", found: "ProjectAudit") -> None:
    from gateway.store.jobs import JobStore
    from gateway.store.project_deletion import ProjectDeletion

    if settings.bootstrap_api_key:
        kept = await projects.ensure(
            "Bootstrap",
            settings.bootstrap_api_key,
            settings.bootstrap_api_secret,
            settings.bootstrap_hmac_enabled,
        )
        for difference in bootstrap_differences(settings, kept):
            log.warning("bootstrap_project_differs", api_key=kept.api_key, difference=difference)
    if settings.demo == "on" or (settings.embedded and not settings.bootstrap_api_key):
        await ensure_demo(settings, projects, found)
    jobs, deletion = JobStore(projects.client), ProjectDeletion(projects)
    for project_id in await deletion.list_deleted():
        await jobs.enqueue_project_deletion(project_id)
        await deletion.forget(project_id)


def _report(settings: Settings, found: "ProjectAudit") -> None:
    """Log the findings on the stored projects."""
    if found.without_hmac:
        log.warning(
            "hmac_is_off",
            projects=len(found.without_hmac),
            api_keys=found.without_hmac[:MAX_NAMED],
            consequence="any client with the public API key can open the inbox of every user of these projects",
            suggestion="inbox-gateway project set API_KEY --hmac",
        )
    if found.unreadable:
        log.error("secret_key_cannot_read", api_keys=found.unreadable[:MAX_NAMED], suggestion="see `doctor`")
    if found.broken:
        log.error("project_record_broken", api_keys=found.broken[:MAX_NAMED], suggestion="see `doctor`")
    if found.weak:
        log.warning(
            "api_secret_is_weak", api_keys=found.weak[:MAX_NAMED], suggestion="inbox-gateway project rotate-secret"
        )
    if is_weak(settings.secret_key):
        log.warning(
            "secret_key_is_weak", suggestion="use a random INBOX_SECRET_KEY of 32 characters before there are projects"
        )
    if not found.projects:
        log.info("no_project", suggestion="inbox-gateway project create NAME")
