"""Suppressed addresses: email addresses and phone numbers to which nothing more is sent."""

from dataclasses import dataclass

from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import no_content
from gateway.api.v1.identity import find_user, user_not_found
from gateway.domain.delivery import Route, address_key
from gateway.domain.guard import UserDeletedError
from gateway.domain.principal import User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.directory import Directory
from gateway.store.outbox import OutboxStore
from gateway.store.profiles import ProfileStore
from gateway.store.project_events import ProjectEvents

_ROUTES = {"email": Route.EMAIL, "sms": Route.SMS}


@dataclass(frozen=True, slots=True)
class SuppressionsResource:
    """The operation on suppressed addresses, with the stores that it uses."""

    directory: Directory
    profiles: ProfileStore
    outbox: OutboxStore
    events: ProjectEvents

    async def lift(self, call: ProjectCall) -> Response:
        """Send to the addresses of a user again: to the email address, or for `sms` to the phone numbers.

        An address is suppressed when a provider calls it unknown, when an email bounces for good, and when its owner
        complains; traces then say `suppressed`. Lift that only if you know that the address works and its owner wants
        the messages. Repeating it changes nothing. What was skipped stays skipped.
        """
        channel = call.text("channel")
        route = _ROUTES.get(channel)
        if route is None:
            raise not_found("Channel", "Name `email` or `sms`.")
        user = await find_user(self.directory, call.project.id, call.text("user"))
        try:
            for address in await self._addresses(user, route):
                await self.outbox.suppress(user, route, address_key(address), "")
        except UserDeletedError:
            raise user_not_found() from None
        context = {"channel": channel}
        await self.events.write(call.project.id, ProjectEvent(ProjectEventType.ADDRESS_RELEASED, user.id, context))
        return no_content()

    async def _addresses(self, user: User, route: Route) -> list[str]:
        if route is Route.EMAIL:
            return [user.email] if user.email else []
        (profile,) = await self.profiles.read_many([user])
        return list(profile.get("phone_numbers") or ())


OPERATIONS: list[AnyOperation] = [
    Operation(
        "DELETE",
        "/v2/users/{user}/channels/{channel}/suppressions",
        PROJECT,
        SuppressionsResource.lift,
        "Send to suppressed addresses again",
        tag="Deliveries",
    )
]
