"""Lists of projects of different sizes: users, events, and the channel tokens of a user.

A gateway with a project of each size runs at the same time. `project_data.py` fills the projects. Each list is read
from its first page to its last, which shows that every entry is in it once, and finds its middle and its last page.
Then the same page of each project is compared as `rounds.py` describes. The time and the CPU of a page must not grow
with the project.

The bytes of a user, an event and a token are what the data of Redis grows by, divided by their number: INFO's
`used_memory_dataset`, which leaves out connections and buffers.
"""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from loadtest.bench import Bench
from loadtest.jobs import import_users
from loadtest.journal import Faults
from loadtest.meter import no_garbage_collection
from loadtest.project_data import KEPT, OFFERED_KINDS, RARE_TYPE, ProjectWriter, events_of, named_users
from loadtest.publisher import Pool
from loadtest.rounds import Question, compared
from loadtest.targets.gateway import GatewayTarget

PAGE = 20
WALKED_PAGE = 100
"""The largest page, with which a list is read to its end."""

TOKENS_OF_A_USER = 100
"""The most live tokens of a kind that a user may have."""

RELEASE_SECONDS = 0.3
RELEASE_READINGS = 20
RELEASED_BYTES = 256
"""Redis releases what a change needed only for a while. So its data is read this often until it stays as it is."""

NOBODY = "zzz"
"""A name that no user has. The search for it looks at as many users as one request may."""


@dataclass
class _Project:
    """A gateway whose project has `size` users and `size` events, and the paths of its pages by name."""

    size: int
    target: GatewayTarget
    pool: Pool
    paths: dict[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    async def get(self, path: str) -> Any:
        """Return the JSON of a response, None if the request failed."""
        status, body = await self.pool.request(self.target.backend_request("GET", path))
        self.faults.failed += status != 200
        return json.loads(body) if status == 200 else None

    async def data_bytes(self) -> int:
        """Return the bytes of the data of Redis, once they no longer change."""
        latest = -1
        for _ in range(RELEASE_READINGS):
            await asyncio.sleep(RELEASE_SECONDS)
            before, latest = latest, int((await self.target.redis_information())["used_memory_dataset"])
            if abs(latest - before) <= RELEASED_BYTES:
                break
        return latest


PAGES = {
    **{
        f"{name}, {place} page": True for name in ("users", "events", "tokens") for place in ("first", "middle", "last")
    },
    "the user with an external id": True,
    "the user with an email": True,
    "users with a common name": False,
    "users with a name that nobody has": False,
    "events of a rare type": True,
    "events of a user": False,
    "events of a rare type and a user": True,
}
"""Whether a page must cost the same for any size, by its name. The others must stay within a limit. A filter of events
by user scans the places of all events of a 32nd of the users. A search by name reads the names of up to 1,000 users,
which takes longer if the processor does not have them in its cache."""


async def run(bench: Bench) -> None:
    """Measure the gateway. No peer has users or events."""
    if not bench.with_gateway:
        return
    async with contextlib.AsyncExitStack() as stack:
        projects = []
        for size in bench.sizes.catalog.projects:
            target = await stack.enter_async_context(bench.own(INBOX_PROJECT_EVENTS=str(KEPT.events)))
            projects.append(_Project(size, target, target.pool()))
        for project in projects:
            bench.progress(f"  filling a project with {project.size} users and events")
            await _fill(bench, project)
        with no_garbage_collection():
            for name, judged in PAGES.items():
                await _compare(bench, projects, name, judged)
        for project in projects:
            await project.pool.close()


async def _fill(bench: Bench, project: _Project) -> None:
    """Fill a project, find its pages, and add a row for what each kind of entry uses of Redis."""
    size, target, before = project.size, project.target, await project.data_bytes()

    async def add_bytes(what: str, count: int) -> None:
        nonlocal before
        after = await project.data_bytes()
        bench.add("stored", target, "rest", 0, Faults(), items=size, what=what, bytes_each=(after - before) / count)
        before = after

    project.faults += await import_users(target, project.pool, named_users(size))
    await add_bytes("a user", size)
    users = await _walk(project, "users", "/v2/users", size)
    writer = ProjectWriter(target)
    await writer.append(events_of(users, size))
    await add_bytes("an event", size)
    await _walk(project, "events", "/v2/events", size)
    holders = users[: bench.sizes.catalog.token_users]
    for kind in OFFERED_KINDS:
        await writer.register(kind, holders, TOKENS_OF_A_USER)
        await add_bytes(f"a token of {kind.title}", len(holders) * TOKENS_OF_A_USER)
    await writer.close()
    tokens = f"/v2/users/{users[0]}/channels/{OFFERED_KINDS[0].path}/tokens"
    await _walk(project, "tokens", tokens, TOKENS_OF_A_USER, walked_page=PAGE)
    rare, of_one = f"type={RARE_TYPE.label}", f"user={users[0]}"
    project.paths |= {
        "the user with an external id": f"/v2/users?external_id=user-{size // 2}",
        "the user with an email": f"/v2/users?email={quote(f'user-{size // 2}@example.com')}",
        "users with a common name": f"/v2/users?{_sized(PAGE)}&name=lovelace",
        "users with a name that nobody has": f"/v2/users?{_sized(PAGE)}&name={NOBODY}",
        "events of a rare type": f"/v2/events?{_sized(PAGE)}&{rare}",
        "events of a user": f"/v2/events?{_sized(PAGE)}&{of_one}",
        "events of a rare type and a user": f"/v2/events?{_sized(PAGE)}&{rare}&{of_one}",
    }


async def _walk(project: _Project, name: str, path: str, entries: int, walked_page: int = WALKED_PAGE) -> list[str]:
    """Read a list to its end, and keep the paths of its first, middle and last page. Return the ids of its entries.

    The list must have every entry once, and at least this number of them.
    """
    first = f"{path}?{_sized(PAGE)}"
    found: list[str] = []
    project.paths[f"{name}, first page"] = first
    following: str | None = f"{path}?{_sized(walked_page)}"
    while following:
        is_near_end = len(found) >= entries - walked_page
        following = following.replace(_sized(walked_page), _sized(PAGE)) if is_near_end else following
        at_page = following.replace(_sized(walked_page), _sized(PAGE))
        if len(found) <= entries // 2:
            project.paths[f"{name}, middle page"] = at_page
        answer = await project.get(following)
        if answer is None:
            break
        found += [entry["id"] for entry in answer["data"]]
        if len(answer["data"]) == PAGE or not is_near_end:
            project.paths[f"{name}, last page"] = at_page
        following = answer["links"]["next"]
    project.faults.doubled += len(found) - len(set(found))
    project.faults.lost += max(0, entries - len(set(found)))
    return found


def _sized(entries: int) -> str:
    return f"page%5Bsize%5D={entries}"


async def _compare(bench: Bench, projects: Sequence[_Project], name: str, judged: bool) -> None:
    """Request the same page of one project after the other, and add a row for each project."""
    answers = [await project.get(project.paths[name]) for project in projects]
    questions = [
        Question(project.target, project.pool, project.target.backend_request("GET", project.paths[name]))
        for project in projects
    ]
    faults = Faults()
    found = await compared(questions, bench.sizes.catalog.requests, faults)
    projects[0].faults += faults
    for project, answer, figures in zip(projects, answers, found, strict=True):
        shown = len(answer["data"]) if answer else None
        taken, project.faults = project.faults, Faults()
        bench.add(
            "catalog",
            project.target,
            "rest",
            0,
            taken,
            items=project.size,
            filter=name,
            judged=judged,
            shown=shown,
            **figures,
        )
