"""What `doctor` finds in the store: its servers, its format, and the projects with their secrets and origins."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING

from gateway.cli.arguments import find_project
from gateway.cli.bootstrap import MAX_NAMED, bootstrap_differences
from gateway.cli.store_errors import store_error
from gateway.domain.finding import Finding, advice, problem, warning
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.store.project_audit import ProjectAudit
    from gateway.store.projects import ProjectStore
    from gateway.store.redis.client import FunctionClient


async def examine_store(
    settings: Settings, only: str | None, *, offline: bool, has_own_key: bool
) -> AsyncIterator[Finding]:
    """Yield the findings about the store and what is in it. Raises StoreUnusableError if it cannot be reached.

    `has_own_key` says whether INBOX_SECRET_KEY is set, as opposed to a key that the gateway generated.
    """
    from gateway.cli.process_findings import examine_processes
    from gateway.store import keys
    from gateway.store.formats import check_format
    from gateway.store.library import LIBRARY
    from gateway.store.projects import ProjectStore
    from gateway.store.redis.client import FunctionClient, StoreUnavailableError
    from gateway.store.redis.diagnosis import examine
    from gateway.store.redis.problems import StoreWritesRefusedError
    from gateway.store.redis.topology import Topology
    from gateway.store.state import check_writes

    client = FunctionClient(Topology(settings), LIBRARY)
    try:
        async for finding in examine(client):
            yield finding
        await check_format(client)
        try:
            await check_writes(client, keys.GENERATION)
        except StoreWritesRefusedError as refusal:
            yield problem("writes", f"refused: {refusal.cause}", "read the page: each cause has its remedy")
        projects = ProjectStore(client, settings.secret_key)
        async for finding in _examine_projects(settings, client, projects):
            yield finding
        async for finding in examine_processes(settings, client, has_own_key=has_own_key):
            yield finding
        async for finding in _examine_deliveries(settings, projects, only, offline=offline):
            yield finding
    except StoreUnavailableError as refusal:
        raise store_error(settings, refusal) from None
    finally:
        client.close()


async def _examine_projects(
    settings: Settings, client: "FunctionClient", projects: "ProjectStore"
) -> AsyncIterator[Finding]:
    from gateway.store.project_audit import audit_projects, owns_secret_key
    from gateway.store.state import read_state

    state = await read_state(client)
    if state.known and not state.projects:
        yield problem("projects", f"{state.known} are lost", "restore the store from its backup")
    found = await audit_projects(projects)
    for finding in _judge_projects(settings, found, belongs=await owns_secret_key(projects, found)):
        yield finding
    api_key = settings.bootstrap_api_key
    if api_key and api_key not in (*found.unreadable, *found.broken):
        kept = await projects.by_api_key(api_key)
        for difference in bootstrap_differences(settings, kept) if kept is not None else ():
            yield warning("bootstrap", difference, "change the project (`project set`), or the setting")


async def _examine_deliveries(
    settings: Settings, projects: "ProjectStore", only: str | None, *, offline: bool
) -> AsyncIterator[Finding]:
    from gateway.cli.delivery_findings import MAX_PROJECTS, TOPIC, examine_deliveries

    found = [await find_project(projects, only)] if only else await projects.all()
    if len(found) > MAX_PROJECTS:
        yield Finding(TOPIC, f"not checked for {len(found)} projects: name one with --api-key")
        return
    async for finding in examine_deliveries(settings, projects.client, found, offline=offline):
        yield finding


def _judge_projects(settings: Settings, found: "ProjectAudit", *, belongs: bool) -> Iterator[Finding]:
    yield Finding("projects", str(found.projects))
    if found.unreadable:
        text = f"another key encrypted the API secrets of {named(found.unreadable)}: requests with them are refused"
        yield problem("secret key", text, "set the INBOX_SECRET_KEY with which they were created")
    elif not belongs:
        text = "differs from that of the nodes that use this store"
        yield problem("secret key", text, "set the same INBOX_SECRET_KEY on every node")
    elif found.projects > len(found.broken):
        yield Finding("secret key", "decrypts the secrets of every project")
    if found.broken:
        text = f"{named(found.broken)}: the stored record is not a project"
        yield problem("projects", text, "restore the store from its backup, or delete it: `project delete`")
    if found.weak:
        do = "`inbox-gateway project rotate-secret` generates a better one"
        yield warning("api secret", f"easy to guess for {named(found.weak)}", do)
    if found.without_hmac:
        text = (
            f"off for {named(found.without_hmac)}: any client with the public API key can open the inbox of every user"
        )
        yield advice("hmac", text, "sign users in your backend, then `inbox-gateway project set API_KEY --hmac`")
    open_projects = found.any_origin + (found.default_origins if "*" in settings.allowed_origins else [])
    if open_projects:
        text = f"a page of any origin may call, with {named(open_projects)}"
        do = "set INBOX_ALLOWED_ORIGINS, or `inbox-gateway project set API_KEY --allowed-origins https://app.example.com`"
        yield advice("origins", text, do)
    if settings.demo == "on" and found.projects > 1:
        text = f"INBOX_DEMO is on in a store with {found.projects - 1} other projects"
        yield warning("demo", text, "set INBOX_DEMO to off, and delete the demo project")


def named(api_keys: Sequence[str]) -> str:
    """Return some API keys, and how many there are besides."""
    more = len(api_keys) - MAX_NAMED
    return ", ".join(api_keys[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
