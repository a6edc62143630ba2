"""Control messages: they report a change in Redis to the workers that have the old value in their caches.

Every worker subscribes to one pub/sub channel (`keys.CONTROL`) and receives each message, its own included. A message
is text: a word that names the kind of change, then the names of what has changed, separated by spaces.
"""

from collections.abc import Callable

from gateway.domain.ids import ProjectId, UserId
from gateway.live.revocation import Revocation
from gateway.store.activity import ActiveUsers
from gateway.store.contents import CONTROL_CONTENT, ContentStore
from gateway.store.delivery_configs import CONTROL_DELIVERY, DeliveryConfigStore
from gateway.store.directory import CONTROL_USER, Directory
from gateway.store.integrations import CONTROL_INTEGRATION, IntegrationStore
from gateway.store.jobs import CONTROL_JOBS
from gateway.store.project_deletion import CONTROL_PROJECT_DELETED
from gateway.store.projects import CONTROL_PROJECT, ProjectStore
from gateway.store.usage_counts import UsageCounts
from gateway.store.webhook_endpoints import CONTROL_WEBHOOKS, WebhookEndpointStore


class ControlMessages:
    """Applies control messages to the caches and live connections of one worker.

    `wake_jobs` makes the job runner read its queue now.
    """

    def __init__(
        self,
        directory: Directory,
        projects: ProjectStore,
        revocation: Revocation,
        activity: ActiveUsers,
        delivery_configs: DeliveryConfigStore,
        integrations: IntegrationStore,
        webhook_endpoints: WebhookEndpointStore,
        contents: ContentStore,
        wake_jobs: Callable[[], None],
        usage: UsageCounts,
    ):
        self._directory = directory
        self._projects = projects
        self._revocation = revocation
        self._activity = activity
        self._delivery_configs = delivery_configs
        self._integrations = integrations
        self._webhook_endpoints = webhook_endpoints
        self._contents = contents
        self._wake_jobs = wake_jobs
        self._usage = usage

    def apply(self, message: bytes) -> None:
        """Apply one message. A message of an unknown kind may concern any cache, so it clears all of them."""
        match message.decode(errors="replace").split(" "):
            case [word] if word == CONTROL_JOBS:
                self._wake_jobs()
            case [word, project_id, user_id] if word == CONTROL_USER:
                self._directory.forget_cached(ProjectId(project_id), UserId(user_id))
            case [word, api_key] if word == CONTROL_PROJECT:
                self._projects.cache.forget(api_key)
                self._revocation.project_changed(api_key)
            case [word, api_key, project_id] if word == CONTROL_PROJECT_DELETED:
                self._projects.cache.forget_deleted(api_key)
                self._revocation.project_changed(api_key)
                self._activity.forget(ProjectId(project_id))
                self._usage.forget(ProjectId(project_id))
            case [word, project_id] if word == CONTROL_DELIVERY:
                self._delivery_configs.forget(ProjectId(project_id))
            case [word, project_id, name] if word == CONTROL_INTEGRATION:
                self._integrations.forget(ProjectId(project_id), name)
                self._delivery_configs.forget(ProjectId(project_id))
            case [word, project_id] if word == CONTROL_WEBHOOKS:
                self._webhook_endpoints.forget(ProjectId(project_id))
            case [word, project_id, content_id] if word == CONTROL_CONTENT:
                self._contents.prefetch(ProjectId(project_id), content_id)
            case _:
                self.clear_caches()

    def clear_caches(self) -> None:
        """Clear every cache, check every live connection and wake the jobs, because messages may have been missed."""
        self._directory.forget_all()
        self._projects.cache.forget_all()
        self._delivery_configs.forget_all()
        self._integrations.forget_all()
        self._webhook_endpoints.forget_all()
        self._revocation.all_projects_changed()
        self._usage.forget_reached()
        self._wake_jobs()
