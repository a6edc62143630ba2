"""Builds the resources of a worker and binds the operations to them, and the access of each kind of caller.

`app.py` hands over what is shared with the rest of the worker, above all the stores with a cache. Stores without one
are built here.
"""

import time
from collections.abc import Callable

from gateway.api.core.access import Accesses, ProjectAccess, PublicAccess, RateLimits, UserAccess, WorkspaceAccess
from gateway.api.core.body_budget import BodyBudget
from gateway.api.core.body_reader import BodyReader
from gateway.api.core.call import PROJECT, PUBLIC, USER, WORKSPACE, CallContext
from gateway.api.core.idempotency import Idempotency
from gateway.api.core.operation import BoundOperation, bind
from gateway.api.operations import document
from gateway.api.system import document as openapi_document
from gateway.api.system import events, health, pages
from gateway.api.v1 import (
    active_users,
    broadcasts,
    config,
    devices,
    imports,
    notifications,
    preferences,
    projects,
    subscriptions,
    users,
)
from gateway.api.v2 import keys, revocations, tokens, unbuilt
from gateway.auth.authenticator import Authenticator
from gateway.auth.workspaces import WorkspaceAuthenticator, WorkspaceTokens
from gateway.domain.proxy import Proxies
from gateway.sending.deliverer import Deliverer
from gateway.sending.sender import Sender
from gateway.settings import Settings
from gateway.store.activity import ActiveUsers
from gateway.store.admin_limits import AdminLimits
from gateway.store.categories import CategoryStore
from gateway.store.deletion import UserDeletion
from gateway.store.devices import DeviceStore
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention, Moment
from gateway.store.inbox import InboxStore
from gateway.store.jobs import JobStore
from gateway.store.preferences import PreferenceStore
from gateway.store.profiles import ProfileStore
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import FunctionClient
from gateway.store.subscriptions import SubscriptionStore
from gateway.store.tokens import TokenStore
from gateway.store.workspaces import WorkspaceStore


def accesses(
    settings: Settings,
    client: FunctionClient,
    proxies: Proxies,
    authenticator: Authenticator,
    inboxes: InboxStore,
    activity: ActiveUsers,
) -> Accesses:
    """Return the access of each kind of caller."""
    context = CallContext(proxies, BodyReader(BodyBudget(settings.max_body_bytes), settings.max_body_bytes))
    user_limits = RateLimits(settings.rate_limit_reads, settings.rate_limit_writes)
    project_limits = RateLimits(settings.rate_limit_admin_reads, settings.rate_limit_admin_writes)
    workspaces = WorkspaceAuthenticator(WorkspaceTokens(settings.secret_key), WorkspaceStore(client))
    origins = settings.allowed_origins
    return {
        PUBLIC: PublicAccess(context),
        USER: UserAccess(context, authenticator, origins, user_limits, inboxes, activity),
        PROJECT: ProjectAccess(context, authenticator, origins, project_limits, AdminLimits(client)),
        WORKSPACE: WorkspaceAccess(context, workspaces),
    }


def bound_operations(
    settings: Settings,
    client: FunctionClient,
    log_retention: LogRetention,
    project_store: ProjectStore,
    directory: Directory,
    inboxes: InboxStore,
    activity: ActiveUsers,
    idempotency: Idempotency,
    not_ready: Callable[[], str],
    new_epoch: Callable[[], str],
) -> list[BoundOperation]:
    """Return the operations of all resources, in the order of the route table.

    `not_ready` returns why the worker should get no traffic, "" if it should; `new_epoch` the epoch of a new event log.
    """

    def now() -> Moment:
        return Moment(int(time.time() * 1000), new_epoch())

    job_store, token_store = JobStore(client), TokenStore(client)
    categories = CategoryStore(client, time.monotonic)
    sender = Sender(Deliverer(directory, inboxes), directory, categories, job_store)
    keep = settings.item_retention
    own_host = f"{settings.host}:{settings.port}"
    return [
        *bind(
            notifications.NotificationsResource(inboxes, sender, idempotency, keep, now),
            notifications.OPERATIONS,
        ),
        *bind(
            preferences.PreferencesResource(PreferenceStore(client, log_retention), categories, now),
            preferences.OPERATIONS,
        ),
        *bind(subscriptions.SubscriptionsResource(SubscriptionStore(client)), subscriptions.OPERATIONS),
        *bind(devices.DevicesResource(DeviceStore(client), now), devices.OPERATIONS),
        *bind(revocations.RevocationsResource(token_store, directory), revocations.OPERATIONS),
        *bind(
            users.UsersResource(directory, ProfileStore(client), UserDeletion(client), idempotency),
            users.OPERATIONS,
        ),
        *bind(tokens.TokensResource(token_store, directory, idempotency), tokens.OPERATIONS),
        *bind(keys.KeysResource(project_store), keys.OPERATIONS),
        *bind(
            broadcasts.BroadcastsResource(job_store, inboxes, sender, idempotency, now),
            broadcasts.OPERATIONS,
        ),
        *bind(imports.ImportsResource(job_store, idempotency, now), imports.OPERATIONS),
        *bind(active_users.ActiveUsersResource(activity), active_users.OPERATIONS),
        *bind(projects.ProjectsResource(project_store, job_store, keep), projects.OPERATIONS),
        *bind(config.ConfigResource(inboxes, own_host), config.OPERATIONS),
        *bind(events.EventsResource(inboxes, new_epoch), events.OPERATIONS),
        *bind(health.HealthResource(not_ready), health.OPERATIONS),
        *bind(pages.PagesResource(), pages.OPERATIONS),
        *bind(openapi_document.DocumentResource(document), openapi_document.OPERATIONS),
        *bind(None, unbuilt.OPERATIONS),
    ]
