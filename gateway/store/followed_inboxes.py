"""Inboxes whose changes become messages of webhooks."""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from gateway.domain.principal import User
from gateway.domain.retention import KEEP_ALL, ItemRetention
from gateway.store.contents import Content, ContentStore
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.event_log import LogRetention, Moment
from gateway.store.inbox import Change, InboxStore, Sent
from gateway.store.redis.client import FunctionClient
from gateway.store.webhook_lanes import WebhookLanes

T = TypeVar("T")


class FollowedInboxes(InboxStore):
    """All inboxes. A change in a project that has endpoints of webhooks is followed by its users' events.

    Other projects pay only for a look into a cache: their methods return the coroutine of the base class.
    """

    def __init__(self, client: FunctionClient, retention: LogRetention, contents: ContentStore, webhooks: WebhookLanes):
        super().__init__(client, retention, contents)
        self._webhooks = webhooks

    def create(
        self, content: Content, deliveries: Sequence[Delivery], *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, list[Outcome]]:
        """Create items as the base class does."""
        users = [delivery.user for delivery in deliveries]
        return self._followed(users, partial(super().create, content, deliveries, *args, **kwargs))

    def create_one(
        self, content: Content, delivery: Delivery, moment: Moment, remember: bool, keep: ItemRetention = KEEP_ALL
    ) -> Coroutine[Any, Any, Outcome]:
        """Create an item as the base class does."""
        # This runs for nearly every request, so arguments are neither packed nor looked up by `super`.
        if self._webhooks.is_unused(delivery.user.project_id):
            return InboxStore.create_one(self, content, delivery, moment, remember, keep)
        create = partial(InboxStore.create_one, self, content, delivery, moment, remember, keep)
        return self._followed([delivery.user], create)

    def create_each(
        self, content: Content, users: Sequence[User], *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, list[Outcome]]:
        """Create items as the base class does."""
        return self._followed(users, partial(super().create_each, content, users, *args, **kwargs))

    def send(
        self, content: Content, deliveries: Sequence[Delivery], *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, list[Sent]]:
        """Create items and entries as the base class does."""
        users = [delivery.user for delivery in deliveries]
        return self._followed(users, partial(super().send, content, deliveries, *args, **kwargs))

    def send_each(
        self, content: Content, users: Sequence[User], *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, list[Sent]]:
        """Create items and entries as the base class does."""
        return self._followed(users, partial(super().send_each, content, users, *args, **kwargs))

    def change(self, user: User, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Change | None]:
        """Change an item as the base class does."""
        return self._followed([user], partial(super().change, user, *args, **kwargs))

    def delete(self, user: User, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Change | None]:
        """Delete an item as the base class does."""
        return self._followed([user], partial(super().delete, user, *args, **kwargs))

    def change_all(self, user: User, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Change]:
        """Change items as the base class does."""
        return self._followed([user], partial(super().change_all, user, *args, **kwargs))

    def _followed(self, users: Sequence[User], change: Callable[[], Coroutine[Any, Any, T]]) -> Coroutine[Any, Any, T]:
        """Return the coroutine of a change of users of one project."""
        if not users or self._webhooks.is_unused(users[0].project_id):
            return change()
        return self._webhooks.follow(users[0].project_id, [user.id for user in users], change)
