"""Users in the dialect of v2: the same users as in v1, listed, searched, created, fetched and deleted by a backend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.idempotency import Idempotency
from gateway.api.core.operation import Operation
from gateway.api.core.paging import PLACED_PAGING, Cursor, Links, links, read_page
from gateway.api.core.query import Formed
from gateway.api.core.responses import encode, json_response, no_content
from gateway.api.core.schema import Hash, ResponseSpec, Time, Uuid
from gateway.api.v1.identity import ATTRIBUTES, MAX_EXTERNAL_ID, NAMES, NamedUser, find_user, names_of
from gateway.domain import principal
from gateway.domain.errors import ErrorCode, invalid
from gateway.domain.ids import ProjectId
from gateway.domain.params import Anything
from gateway.domain.principal import Identity, normalize_email
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.domain.times import rfc3339
from gateway.store.deletion import UserDeletion
from gateway.store.directory import Directory
from gateway.store.errors import IdentityConflictError
from gateway.store.profiles import ProfileStore
from gateway.store.project_events import ProjectEvents
from gateway.store.user_pages import UserCursor, UserPage, UserPages, UserSummary

NEW_USER = Body(
    "",
    NamedUser(
        required=True,
        name="NewProjectUser",
        description="`external_id`, `email` or both are needed.",
        fields={
            **NAMES,
            **ATTRIBUTES,
            # Clients send the object that responses have.
            **dict.fromkeys(
                ("id", "created_at", "updated_at", "last_seen_at", "last_notified_at"),
                Anything(description="Ignored, because the gateway assigns it."),
            ),
        },
    ),
    example={"external_id": "ada", "email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"},
    refusals=(ErrorCode.USER_LIMIT_REACHED,),
)

_NAME_LENGTH = 100

LISTING = (
    Formed(
        "external_id",
        "Only the user with this external id.",
        f"at most {MAX_EXTERNAL_ID} characters",
        rf"[\s\S]{{1,{MAX_EXTERNAL_ID}}}",
    ),
    Formed("email", "Only the user with this email address.", "at most 255 characters", r"[\s\S]{1,255}"),
    Formed(
        "name",
        "Only users whose first and last name contain this text. A page of such a search may be short, or empty, "
        "although `links.next` leads to more users.",
        f"at most {_NAME_LENGTH} characters",
        rf"[\s\S]{{1,{_NAME_LENGTH}}}",
    ),
    Formed(
        "query",
        "Only the user whose external id, email address or id is this text, or else users whose name, external id or "
        "email address contains it. Pages of such a search are as with `name`.",
        "at most 255 characters",
        r"[\s\S]{1,255}",
    ),
    *PLACED_PAGING,
)


class ProjectUser(msgspec.Struct):
    """A user with its attributes, null for each that is not set.

    `created_at` is null for a user that an earlier version of the gateway created.
    `last_seen_at` is when the user last made a request or connected, to ten minutes. `last_notified_at` is when the
    newest notification was sent to the user's inbox.
    """

    id: Uuid
    external_id: str | None
    email: str | None
    first_name: str | None
    last_name: str | None
    custom_attributes: Hash | None
    phone_numbers: list[str] | None
    created_at: Time | None
    last_seen_at: Time | None
    last_notified_at: Time | None


class ProjectUserList(msgspec.Struct):
    """A page of users, the newest first."""

    data: list[ProjectUser]
    links: Links


CREATED = ResponseSpec(201, "The user", ProjectUser)
FOUND = ResponseSpec(200, "The user", ProjectUser)
LISTED = ResponseSpec(200, "A page", ProjectUserList)


@dataclass(frozen=True, slots=True)
class UsersResource:
    """The operations on users, with the stores that they use."""

    directory: Directory
    profiles: ProfileStore
    pages: UserPages
    deletion: UserDeletion
    idempotency: Idempotency
    events: ProjectEvents

    async def list_page(self, call: ProjectCall) -> Response:
        """Return a page of the project's users, the newest first, perhaps only those that match a search.

        A search by external id or email is exact. A search by name, or for any other text, looks at up to 1,000 users a
        request, in any case of letters, and `links.next` continues it. The cursors in `links` stay valid when a user is
        deleted.
        """
        query = call.query()
        page = read_page(query)
        after, before = (_cursor(text) for text in (page.after, page.before))
        found: UserPage | None
        if query["external_id"] or query["email"]:
            found = await self._named(call.project.id, query)
        elif query["query"] and (user := await self._exactly(call.project.id, query["query"])):
            found = UserPage([(user, 0)], None, None)
        elif text := query["name"] or query["query"]:
            names_only = query["name"] is not None
            found = await self.pages.search(call.project.id, text, page.size, after, before, names_only=names_only)
        else:
            found = await self.pages.page(call.project.id, page.size, after, before)
        if found is None:
            raise invalid(f"Param 'page[{'after' if after else 'before'}]' is not the id of a user of the project")
        users = [user for user, _ in found.entries]
        data = [_shown(*one) for one in zip(users, await self.pages.summaries(users), strict=True)]
        newer, older = _ends(found)
        path = call.forwarded.prefix + call.request.path
        fields = call.request.query_params.multi_items()
        return json_response({"data": data, "links": links(path, fields, page.size, newer, older)})

    async def create(self, call: ProjectCall) -> Response:
        """Create a user, or update the user who has this external id or email, and return it without a wrapper.

        Users are also created when a notification is sent to them or when they first connect. This operation is needed
        only to set their attributes.
        """
        body = await call.body()
        values = call.fields(body)
        identity = Identity(*names_of(values))

        async def work(plan: bytes, repeatable: bool) -> bytes:
            try:
                (resolved,) = await self.directory.resolve_many(call.project.id, [identity])
            except IdentityConflictError:
                raise invalid("The body has the external_id of one user and the email of another") from None
            user = resolved.user
            given = {name: values[name] for name in ATTRIBUTES if values[name] is not None}
            await self.profiles.set(user, {"external_id": user.external_id, "email": user.email, **given})
            return encode(await self._user(user))

        return await self.idempotency.once(call, body, b"", work)

    async def get(self, call: ProjectCall) -> Response:
        """Return a user. The path names the user by id, or as `external_id:…` or `email:…`."""
        return json_response(await self._user(await find_user(self.directory, call.project.id, call.text("user"))))

    async def delete(self, call: ProjectCall) -> Response:
        """Delete a user with everything that is stored about them, as in v1, and close their live connections."""
        user = await find_user(self.directory, call.project.id, call.text("user"))
        # In this order, a deletion that is interrupted is completed by the next call that finds the user.
        await self.deletion.delete(user)
        await self.directory.forget(user)
        await self.events.write(call.project.id, ProjectEvent(ProjectEventType.USER_DELETED, user.id))
        return no_content()

    async def _named(self, project_id: ProjectId, query: Mapping[str, Any]) -> UserPage:
        """Return the page of an exact search: the user who has all of the wanted names, or nobody."""
        external_id, email, name = query["external_id"], query["email"], query["name"]
        wanted = f"x:{external_id}" if external_id else f"e:{normalize_email(email)}"
        user = await self.directory.find(project_id, wanted)
        if user is None or (email and user.email != normalize_email(email)):
            return UserPage([], None, None)
        if name:
            (summary,) = await self.pages.summaries([user])
            if not summary.is_named_like(name.casefold()):
                return UserPage([], None, None)
        return UserPage([(user, 0)], None, None)

    async def _exactly(self, project_id: ProjectId, text: str) -> principal.User | None:
        """Return the user whose external id, email or id is this text."""
        for name in (f"x:{text}", f"e:{normalize_email(text)}", f"u:{text.lower()}"):
            if (user := await self.directory.find(project_id, name)) is not None:
                return user
        return None

    async def _user(self, user: principal.User) -> dict[str, Any]:
        (summary,) = await self.pages.summaries([user])
        return _shown(user, summary)


def _shown(user: principal.User, summary: UserSummary) -> dict[str, Any]:
    return {
        "id": user.id,
        "external_id": user.external_id,
        "email": user.email,
        **summary.attributes,
        "created_at": _time(summary.created_at),
        "last_seen_at": _time(summary.last_seen_at),
        "last_notified_at": _time(summary.last_notified_at),
    }


def _time(unix: int | None) -> str | None:
    return rfc3339(unix) if unix is not None else None


def _cursor(text: str | None) -> UserCursor | None:
    if not text:
        return None
    cursor = Cursor.parse(text)
    return UserCursor(str(cursor.id), cursor.place)


def _ends(page: UserPage) -> Sequence[str | None]:
    """Return the cursors of the pages before and after a page. Its place decides where the other page begins."""
    first = page.entries[0][0].id if page.entries else UUID(int=0)
    last = page.entries[-1][0].id if page.entries else UUID(int=0)
    newer = f"{first}.{page.newer}" if page.newer is not None else None
    older = f"{last}.{page.older}" if page.older is not None else None
    return newer, older


_R = UsersResource
_PATH = "/v2/users"

OPERATIONS = [
    Operation("GET", _PATH, PROJECT, _R.list_page, "List users", LISTED, query=LISTING),
    Operation("POST", _PATH, PROJECT, _R.create, "Create a user", CREATED, NEW_USER, idempotent=True),
    Operation("GET", f"{_PATH}/{{user}}", PROJECT, _R.get, "Fetch a user", FOUND),
    Operation("DELETE", f"{_PATH}/{{user}}", PROJECT, _R.delete, "Delete a user"),
]
