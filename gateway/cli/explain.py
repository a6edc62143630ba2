"""`explain`: why a user did or did not get a notification."""

import json
import time
from typing import TYPE_CHECKING
from uuid import UUID

import click

from gateway.cli.arguments import find_only_project
from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.store_access import run_with_projects
from gateway.cli.terminal import printable
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.domain.principal import Project
    from gateway.domain.trace import Trace
    from gateway.sending.trace_reader import TraceReader
    from gateway.store.projects import ProjectStore
    from gateway.store.redis.client import FunctionClient

_UNKNOWN = "nothing is known of this notification: it was not sent in this project, or too long ago"


@click.command()
@click.argument("user")
@click.argument("notification")
@click.option("--api-key", help="The project's API key.  [default: that of INBOX_BOOTSTRAP_API_KEY, or the only one]")
@click.option("--json", "as_json", is_flag=True, help="Print what `GET …/trace` returns.")
def explain(user: str, notification: str, api_key: str | None, as_json: bool) -> None:
    """Print why a user did or did not get a notification.

    USER is an id, an external id, or an email address. NOTIFICATION is the id that the request returned.
    """
    settings = with_secret_key(read_settings())
    try:
        notification_id = UUID(notification)
    except ValueError:
        raise click.UsageError(f"'{notification}' is not the id of a notification") from None

    async def work(projects: "ProjectStore") -> None:
        project = await find_only_project(projects, api_key or settings.bootstrap_api_key)
        found = await _trace(settings, projects.client, project, user, notification_id)
        click.echo(_as_json(found) if as_json else _as_text(found))

    run_with_projects(settings, work)


async def _trace(
    settings: Settings, client: "FunctionClient", project: "Project", name: str, notification_id: UUID
) -> "Trace":
    """Return the trace. Raises ClickException if the user or the notification is not known."""
    from gateway.domain.trace import trace_of
    from gateway.sending.trace_users import find_traced
    from gateway.store.directory import Directory

    reader, directory = _reader(settings, client), Directory(client, time.monotonic)
    for each in (name, f"external_id:{name}", f"email:{name}"):
        traced = await find_traced(directory, reader.events, project.id, each)
        if traced is not None:
            break
    else:
        raise click.ClickException(f"the project has no user '{name}'")
    facts = await reader.facts(traced.user, notification_id, deleted_ms=traced.deleted_ms)
    if not facts.is_known:
        raise click.ClickException(_UNKNOWN)
    return trace_of(facts)


def _reader(settings: Settings, client: "FunctionClient") -> "TraceReader":
    from gateway.sending.trace_reader import trace_reader
    from gateway.store.channel_tokens import ChannelTokenStore
    from gateway.store.contents import ContentStore
    from gateway.store.delivery_configs import DeliveryConfigStore
    from gateway.store.event_log import LogRetention
    from gateway.store.inbox import InboxStore
    from gateway.store.outbox import OutboxStore
    from gateway.store.project_event_log import EventRetention, ProjectEventLog

    contents = ContentStore(client)
    log_retention = LogRetention(settings.log_retention_events, settings.log_retention_seconds)
    return trace_reader(
        client,
        inboxes=InboxStore(client, log_retention, contents),
        outboxes=OutboxStore(client, contents, ChannelTokenStore(client)),
        log=ProjectEventLog(client, EventRetention(settings.project_events, settings.project_events_seconds)),
        configs=DeliveryConfigStore(client),
        log_retention=log_retention,
    )


def _as_text(trace: "Trace") -> str:
    """Return the verdict, and a line for each step: its time in UTC, what it is about, and its sentence."""
    from gateway.domain.times import rfc3339

    rows = [
        (rfc3339(step.at_ms // 1000)[:19].replace("T", " ") if step.at_ms is not None else "", step)
        for step in trace.steps
    ]
    width = max((len(step.channel or step.type) for _, step in rows), default=0)
    lines = [f"{at:19}  {step.channel or step.type:{width}}  {step.text}" for at, step in rows]
    return printable("\n".join([click.wrap_text(trace.verdict, 100), "", *lines]))


def _as_json(trace: "Trace") -> str:
    from gateway.api.v2.traces import shown

    found = {"verdict": trace.verdict, "steps": [shown(step) for step in trace.steps]}
    return json.dumps(found, indent=2, ensure_ascii=False)
