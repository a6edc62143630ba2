"""Builds the API of a worker: binds the operations to their resources, and creates the access of each caller."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.types import ASGIApp

from gateway.api.admin import mail_frame
from gateway.api.admin import pages as admin_pages
from gateway.api.admin.access import AdminAccess
from gateway.api.admin.audited_backends import audited
from gateway.api.admin.listener import ListenerEndpoint
from gateway.api.admin.mirror import Mirror
from gateway.api.admin.parts import AdminParts
from gateway.api.core.access import Accesses, ProjectAccess, PublicAccess, RateLimits, UserAccess, WorkspaceAccess
from gateway.api.core.body_budget import BodyBudget
from gateway.api.core.body_reader import BodyReader
from gateway.api.core.call import ADMIN, ADMIN_PROJECT, PROJECT, PUBLIC, USER, WORKSPACE, CallContext
from gateway.api.core.cors import CrossOrigin
from gateway.api.core.direct import DirectRoutes
from gateway.api.core.endpoint import Endpoint, EndpointContext
from gateway.api.core.idempotency import Idempotency
from gateway.api.core.operation import BoundOperation, bind
from gateway.api.core.routing import application
from gateway.api.core.unknown import UnknownNameLog
from gateway.api.demo import pages as demo_pages
from gateway.api.demo import visits as demo_visits
from gateway.api.demo.gate import DemoGate
from gateway.api.demo.people import external_ids
from gateway.api.operations import document
from gateway.api.system import browser_files, events, health, pages, unsubscribe
from gateway.api.system import document as openapi_document
from gateway.api.system.static_files import StaticFiles
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
from gateway.api.v2 import (
    broadcast_audiences,
    connection_tail,
    deliveries,
    delivery_config,
    delivery_lanes,
    delivery_plans,
    delivery_reports,
    delivery_retries,
    event_tail,
    incoming_webhooks,
    installations,
    integration_tests,
    integrations,
    keys,
    limits,
    overview,
    previews,
    project_events,
    revocations,
    sent,
    slack_installations,
    storage,
    suppressions,
    template_preview,
    tokens,
    traces,
    usage,
    user_connections,
    user_export,
    user_summary,
    webhook_endpoints,
    webhook_messages,
)
from gateway.api.v2 import broadcasts as v2_broadcasts
from gateway.api.v2 import channel_tokens as v2_tokens
from gateway.api.v2 import notifications as v2_notifications
from gateway.api.v2 import preferences as v2_preferences
from gateway.api.v2 import users as v2_users
from gateway.api.v2.mail_feedback import MailFeedback
from gateway.api.v2.provider_http import ProviderHttp
from gateway.auth.authenticator import Authenticator
from gateway.auth.demo_visits import DemoVisits
from gateway.auth.install_state import InstallStates
from gateway.auth.report_links import ReportLinks
from gateway.auth.unsubscribe_links import UnsubscribeLinks
from gateway.auth.workspaces import WorkspaceAuthenticator, WorkspaceTokens
from gateway.domain.proxy import Proxies
from gateway.runtime.outbound import OutboundHttp
from gateway.sending.audience_count import AudienceCounter
from gateway.sending.deliverer import Deliverer
from gateway.sending.inbox_rules import InboxOnly, InboxRules
from gateway.sending.onboarding import Onboarding
from gateway.sending.outbox import OutboxSender
from gateway.sending.sender import Sender
from gateway.sending.sent_list import SentList
from gateway.sending.sent_report import SentReader
from gateway.sending.trace_reader import trace_reader
from gateway.settings import Settings
from gateway.store.active_channels import ActiveRoutes
from gateway.store.activity import ActiveUsers
from gateway.store.admin_limits import AdminLimits
from gateway.store.audience import AudienceStore
from gateway.store.categories import CategoryStore
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.connection_tails import ConnectionTails
from gateway.store.contents import ContentStore
from gateway.store.deletion import UserDeletion
from gateway.store.delivery_configs import DeliveryConfigStore
from gateway.store.demo_project import DemoProject
from gateway.store.demo_visitors import DemoVisitors
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention, Moment
from gateway.store.idempotency import IdempotencyStore
from gateway.store.inbox import InboxStore
from gateway.store.installations import InstallationStore
from gateway.store.integrations import IntegrationStore
from gateway.store.item_pages import ItemPages
from gateway.store.jobs import JobStore
from gateway.store.lanes import LaneStore
from gateway.store.nodes import NodeStore
from gateway.store.outbox import OutboxStore
from gateway.store.overrides import OverrideStore
from gateway.store.page_origins import PageOrigins
from gateway.store.preferences import PreferenceStore
from gateway.store.presence import PresenceQuestions
from gateway.store.profiles import ProfileStore
from gateway.store.project_event_log import ProjectEventLog
from gateway.store.project_event_tails import EventTails
from gateway.store.project_events import ProjectEvents
from gateway.store.projects import ProjectStore
from gateway.store.quotas import Quotas, UsedFigures
from gateway.store.recipient_search import RecipientSearch
from gateway.store.recipient_states import RecipientStates
from gateway.store.redis.client import FunctionClient
from gateway.store.sent_recipients import SentRecipients
from gateway.store.storage import StorageEstimator
from gateway.store.subscriptions import SubscriptionStore
from gateway.store.tokens import TokenStore
from gateway.store.usage import UsageReader
from gateway.store.user_pages import UserPages
from gateway.store.webhook_deliveries import WebhookDeliveries
from gateway.store.webhook_endpoints import WebhookEndpointStore
from gateway.store.webhook_lanes import WebhookLanes
from gateway.store.webhook_messages import WebhookMessageStore
from gateway.store.workspaces import WorkspaceStore
from gateway.telemetry.exposition import MetricsText

if TYPE_CHECKING:
    from gateway.telemetry.spans import Spans

ADMIN_PATH = "/admin"
"""Where the dashboard is. Its operations take no short way, so that a request is refused in one place only."""


METRICS_PATH = "/metrics"


class Api(NamedTuple):
    """The API of a worker: the application, and the operations that the HTTP ingress runs itself."""

    asgi: ASGIApp
    direct_routes: DirectRoutes


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiBuilder:
    """Builds the API from the parts that it shares with the rest of the worker, such as the stores that have a cache.

    Stores without a cache are built here. `not_ready` returns the reason why the worker should receive no traffic, ""
    if there is none. `read_metrics` returns the metrics for an Accept header, `new_epoch` the epoch of a new event log.
    """

    settings: Settings
    client: FunctionClient
    proxies: Proxies
    authenticator: Authenticator
    log_retention: LogRetention
    projects: ProjectStore
    directory: Directory
    delivery_configs: DeliveryConfigStore
    outbox: OutboxSender
    integrations: IntegrationStore
    webhook_endpoints: WebhookEndpointStore
    webhook_lanes: WebhookLanes
    outbound: OutboundHttp
    operators_outbound: OutboundHttp
    inboxes: InboxStore
    contents: ContentStore
    activity: ActiveUsers
    event_log: ProjectEventLog
    events: ProjectEvents
    quotas: Quotas
    tails: EventTails
    questions: PresenceQuestions
    connection_tails: ConnectionTails
    idempotency: IdempotencyStore
    admin: AdminParts
    senders: Mapping[str, integration_tests.MessageSender]
    not_ready: Callable[[], str]
    read_metrics: Callable[[str], Awaitable[MetricsText]]
    new_epoch: Callable[[], str]
    spans: "Spans | None" = None
    """Creates the spans of requests; None without traces."""
    restart: Callable[[], None] | None = None
    """Has the supervisor replace all workers; None if there is no supervisor."""

    def build(self, lifespan: Callable[[Any], AbstractAsyncContextManager[None]], websocket_path: str) -> Api:
        """Return the application that responds to every request except those of live connections, and its routes."""
        context = EndpointContext(
            self.accesses(), self.proxies, self.directory.forget, UnknownNameLog(), self.settings.access_log
        )
        operations = [*self.operations(), *self.demo_operations()]
        others = [each for each in operations if not each.row.path.startswith(ADMIN_PATH)]
        if self.settings.metrics_port:  # `server.metrics_listener` has them on that port
            others = [each for each in others if each.row.path != METRICS_PATH]
        endpoints = [self.endpoint(each, context) for each in audited(others, self.admin.audit)]
        port = self.settings.admin_port
        if port:  # where INBOX_PUBLIC_URL does not lead
            proxies = Proxies(self.settings.trusted_proxies)
            context = replace(context, proxies=proxies, accesses=self.accesses(proxies))
        dashboard = [ListenerEndpoint(each, context, port) for each in self.dashboard_operations(operations)]
        routed = application([*endpoints, *dashboard], context, lifespan, websocket_path)
        asgi = CrossOrigin(routed, self.settings.allowed_origins, PageOrigins(self.projects))
        return Api(asgi, DirectRoutes(endpoints))

    def endpoint(self, operation: BoundOperation, context: EndpointContext) -> Endpoint:
        """Return the endpoint of an operation."""
        if self.spans is not None:
            from gateway.api.core.traced_endpoint import TracedEndpoint, is_traced

            if is_traced(operation):
                return TracedEndpoint(operation, context, self.spans)
        return Endpoint(operation, context)

    def _slack(self) -> tuple[OutboundHttp, str]:
        """Return the client by which Slack is called, and the address of Slack."""
        if own := dict(self.settings.provider_urls).get("slack"):
            return self.operators_outbound, own
        return self.outbound, slack_installations.SLACK_URL

    def accesses(self, proxies: Proxies | None = None) -> Accesses:
        """Return the `Access` of each kind of caller, for requests that come through these proxies."""
        settings = self.settings
        budget = BodyBudget(settings.max_body_bytes)
        context = CallContext(
            proxies or self.proxies, BodyReader(budget, settings.max_body_bytes), settings.outbound_rules
        )
        user_limits = RateLimits(settings.rate_limit_reads, settings.rate_limit_writes)
        project_limits = RateLimits(settings.rate_limit_admin_reads, settings.rate_limit_admin_writes)
        workspaces = WorkspaceAuthenticator(WorkspaceTokens(settings.secret_key), WorkspaceStore(self.client))
        origins, usage, counter = settings.allowed_origins, self.events.usage, AdminLimits(self.client)
        admins = AdminAccess(context, self.admin.authenticator, self.projects, self.admin.audit)
        return {
            PUBLIC: PublicAccess(context),
            USER: UserAccess(context, self.authenticator, origins, user_limits, self.inboxes, self.activity, usage),
            PROJECT: ProjectAccess(context, self.authenticator, origins, project_limits, counter, usage),
            WORKSPACE: WorkspaceAccess(context, workspaces),
            ADMIN: admins,
            ADMIN_PROJECT: admins,
        }

    def operations(self) -> list[BoundOperation]:
        """Return the operations of all resources, in the order of the route table."""
        client, directory, inboxes = self.client, self.directory, self.inboxes
        job_store, token_store, channel_tokens = JobStore(client), TokenStore(client), ChannelTokenStore(client)
        categories = CategoryStore(client, time.monotonic)
        preference_store = PreferenceStore(client, self.log_retention)
        rules = InboxRules(self.delivery_configs, self.events)
        channel_tokens.on_first = self.delivery_configs.forget
        deliverer = Deliverer(directory, inboxes, rules, self.outbox, SentRecipients(client))
        sender = Sender(deliverer, directory, categories, job_store, OverrideStore(client), rules.events, self.quotas)
        installed = InstallationStore(client, self.settings.secret_key)
        saver = installations.InstallationSaver(installed, self.events)
        lanes, outboxes = LaneStore(client), OutboxStore(client, self.contents, channel_tokens)
        reader = trace_reader(
            client,
            inboxes=inboxes,
            outboxes=outboxes,
            log=self.event_log,
            configs=self.delivery_configs,
            log_retention=self.log_retention,
        )
        once, now, keep = Idempotency(self.idempotency), self._now, self.settings.item_retention
        tokens_resource = v2_tokens.ChannelTokensResource(channel_tokens, directory, self.events, once, now)
        webhooks, usage_reader = WebhookMessageStore(client), UsageReader(client)
        projects_resource = projects.ProjectsResource(self.projects, job_store, keep, self.events)
        files = StaticFiles()
        own_host = f"{self.settings.host}:{self.settings.port}"
        return [
            *bind(notifications.NotificationsResource(inboxes, sender, once, keep, now), notifications.OPERATIONS),
            *bind(
                preferences.PreferencesResource(preference_store, categories, now, self.events), preferences.OPERATIONS
            ),
            *bind(subscriptions.SubscriptionsResource(SubscriptionStore(client)), subscriptions.OPERATIONS),
            *bind(devices.DevicesResource(channel_tokens, self.events, now), devices.OPERATIONS),
            *bind(revocations.RevocationsResource(token_store, directory, self.events), revocations.OPERATIONS),
            *bind(
                users.UsersResource(directory, ProfileStore(client), UserDeletion(client), once, self.events),
                users.OPERATIONS,
            ),
            *bind(tokens.TokensResource(token_store, directory, once, self.events), tokens.OPERATIONS),
            *bind(keys.KeysResource(self.projects, self.events), keys.OPERATIONS),
            *bind(
                v2_notifications.NotificationsResource(inboxes, ItemPages(client, self.contents), now),
                v2_notifications.OPERATIONS,
            ),
            *bind(
                v2_preferences.PreferencesResource(preference_store, categories, now, self.events),
                v2_preferences.OPERATIONS,
            ),
            *bind(tokens_resource, v2_tokens.OPERATIONS),
            *bind(
                event_tail.EventTailResource(
                    self.event_log, self.tails, directory, self.authenticator.admin, self.settings.heartbeat_seconds
                ),
                event_tail.OPERATIONS,
            ),
            *bind(project_events.ProjectEventsResource(self.event_log, directory), project_events.OPERATIONS),
            *bind(
                user_connections.UserConnectionsResource(client, directory, self.questions), user_connections.OPERATIONS
            ),
            *bind(
                connection_tail.ConnectionTailResource(
                    self.connection_tails,
                    NodeStore(client),
                    self.authenticator.admin,
                    self.settings.heartbeat_seconds,
                ),
                connection_tail.OPERATIONS,
            ),
            *bind(storage.StorageResource(StorageEstimator(client, directory)), storage.OPERATIONS),
            *bind(limits.LimitsResource(UsedFigures(client, directory)), limits.OPERATIONS),
            *bind(usage.UsageResource(usage_reader, self.activity), usage.OPERATIONS),
            *bind(
                overview.OverviewResource(
                    usage_reader,
                    self.activity,
                    NodeStore(client),
                    Onboarding(client, usage_reader, self.event_log, directory),
                ),
                overview.OPERATIONS,
            ),
            *bind(
                delivery_config.DeliveryConfigResource(self.delivery_configs, self.events),
                delivery_config.OPERATIONS,
            ),
            *bind(
                delivery_plans.DeliveryPlansResource(
                    self.delivery_configs, inboxes, directory, job_store, RecipientSearch(self.event_log), outboxes
                ),
                delivery_plans.OPERATIONS,
            ),
            *bind(
                delivery_lanes.DeliveryLanesResource(lanes, self.integrations, self.events), delivery_lanes.OPERATIONS
            ),
            *bind(traces.TracesResource(reader, directory), traces.OPERATIONS),
            *bind(
                user_summary.UserSummaryResource(
                    directory, inboxes, ItemPages(client, self.contents), channel_tokens, outboxes, ProfileStore(client)
                ),
                user_summary.OPERATIONS,
            ),
            *bind(
                user_export.UserExportResource(
                    directory=directory,
                    users=UserPages(client),
                    preferences=preference_store,
                    subscriptions=SubscriptionStore(client),
                    channel_tokens=channel_tokens,
                    tokens=token_store,
                    installations=installed,
                    items=ItemPages(client, self.contents),
                    log=self.event_log,
                ),
                user_export.OPERATIONS,
            ),
            *bind(deliveries.DeliveriesResource(self.event_log, directory, inboxes), deliveries.OPERATIONS),
            *bind(
                delivery_reports.DeliveryReportsResource(
                    ReportLinks(self.settings.secret_key, self.settings.public_url), outboxes, lanes, self.events
                ),
                delivery_reports.OPERATIONS,
            ),
            *bind(
                delivery_retries.DeliveryRetriesResource(outboxes, lanes, directory, self.events, once),
                delivery_retries.OPERATIONS,
            ),
            *bind(tokens_resource, installations.WEB_PUSH_OPERATIONS),
            *bind(
                installations.InstallationsResource(saver, inboxes, installed, self.integrations, self.events, once),
                installations.OPERATIONS,
            ),
            *bind(
                slack_installations.SlackInstallationsResource(
                    saver,
                    inboxes,
                    self.integrations,
                    once,
                    InstallStates(self.settings.secret_key),
                    self.outbound,
                    *self._slack(),
                ),
                slack_installations.OPERATIONS,
            ),
            *bind(
                suppressions.SuppressionsResource(
                    directory, ProfileStore(client), OutboxStore(client, self.contents, channel_tokens), self.events
                ),
                suppressions.OPERATIONS,
            ),
            *bind(
                template_preview.TemplatePreviewResource(
                    self.integrations, installed, directory, ProfileStore(client), inboxes
                ),
                template_preview.OPERATIONS,
            ),
            *bind(
                previews.PreviewsResource(
                    self.integrations, installed, directory, ProfileStore(client), ActiveRoutes(client), categories
                ),
                previews.OPERATIONS,
            ),
            *bind(
                integration_tests.IntegrationTestsResource(
                    self.senders, self.integrations, directory, ProfileStore(client), channel_tokens, once
                ),
                integration_tests.OPERATIONS,
            ),
            *bind(
                integrations.IntegrationsResource(self.integrations, self.events, lanes),
                integrations.OPERATIONS,
            ),
            *bind(
                v2_users.UsersResource(
                    directory, ProfileStore(client), UserPages(client), UserDeletion(client), once, self.events
                ),
                v2_users.OPERATIONS,
            ),
            *bind(
                incoming_webhooks.IncomingWebhooksResource(
                    integrations=self.integrations,
                    projects=self.projects,
                    deliveries=WebhookDeliveries(client),
                    idempotency=self.idempotency,
                    sender=sender,
                    mail=MailFeedback(directory, OutboxStore(client, self.contents, channel_tokens), self.events),
                    events=self.events,
                    http=ProviderHttp(self.outbound),
                    item_retention=keep,
                    now=now,
                ),
                incoming_webhooks.OPERATIONS,
            ),
            *bind(
                webhook_endpoints.WebhookEndpointsResource(
                    self.webhook_endpoints, webhooks, self.events, once, self.webhook_lanes.wake
                ),
                webhook_endpoints.OPERATIONS,
            ),
            *bind(
                webhook_messages.WebhookMessagesResource(
                    self.webhook_endpoints, webhooks, once, self.webhook_lanes.wake
                ),
                webhook_messages.OPERATIONS,
            ),
            *bind(
                sent.SentResource(
                    SentList(
                        log=self.event_log,
                        recipients=SentRecipients(client),
                        states=RecipientStates(client),
                        contents=self.contents,
                        jobs=job_store,
                    ),
                    SentReader(
                        recipients=SentRecipients(client),
                        search=RecipientSearch(self.event_log),
                        states=RecipientStates(client),
                        inboxes=inboxes,
                        contents=self.contents,
                    ),
                    job_store,
                    directory,
                ),
                sent.OPERATIONS,
            ),
            *bind(broadcasts.BroadcastsResource(job_store, inboxes, sender, once, now), broadcasts.OPERATIONS),
            *bind(
                broadcast_audiences.BroadcastAudiencesResource(
                    AudienceCounter(directory, AudienceStore(client), ProfileStore(client), SubscriptionStore(client))
                ),
                broadcast_audiences.OPERATIONS,
            ),
            *bind(v2_broadcasts.BroadcastsResource(job_store, sender, once, now), v2_broadcasts.OPERATIONS),
            *bind(imports.ImportsResource(job_store, once, now, directory), imports.OPERATIONS),
            *bind(active_users.ActiveUsersResource(self.activity), active_users.OPERATIONS),
            *bind(projects_resource, projects.OPERATIONS),
            *bind(config.ConfigResource(installed, self.integrations, channel_tokens, own_host), config.OPERATIONS),
            *bind(events.EventsResource(inboxes, self.new_epoch), events.OPERATIONS),
            *bind(health.HealthResource(self.not_ready, self.read_metrics), health.OPERATIONS),
            *bind(
                unsubscribe.UnsubscribeResource(
                    links=UnsubscribeLinks(self.settings.secret_key, self.settings.public_url),
                    projects=self.projects,
                    integrations=self.integrations,
                    configs=self.delivery_configs,
                    preferences=preference_store,
                    events=self.events,
                    now=now,
                ),
                unsubscribe.OPERATIONS,
            ),
            *bind(pages.PagesResource(files), pages.OPERATIONS),
            *bind(browser_files.BrowserFilesResource(files), browser_files.OPERATIONS),
            *bind(
                openapi_document.DocumentResource(lambda: document(admin=self.admin.is_on)),
                openapi_document.OPERATIONS,
            ),
            *self.admin.operations(projects_resource),
        ]

    def dashboard_operations(self, operations: Sequence[BoundOperation]) -> list[BoundOperation]:
        """Return the operations below `/admin`: the documented ones, those that are mirrored, and the pages."""
        if not self.admin.is_on:
            return []
        own = [each for each in operations if each.row.path.startswith(ADMIN_PATH)]
        served = [
            *bind(mail_frame.MailFrameResource(), mail_frame.OPERATIONS),
            *bind(admin_pages.AdminPagesResource(StaticFiles()), admin_pages.OPERATIONS),
        ]
        return [*own, *Mirror(self.directory).operations(operations), *served]

    def demo_operations(self) -> list[BoundOperation]:
        """Return the operations of the demo's pages, which the OpenAPI document does not have."""
        client, directory = self.client, self.directory
        settings, inbox_only = self.settings, InboxOnly(self.delivery_configs, self.events)
        gate = DemoGate(DemoProject(self.projects, settings.demo, settings.embedded))
        deliverer = Deliverer(directory, self.inboxes, inbox_only, self.outbox)
        visits = demo_visits.VisitsResource(
            gate=gate,
            visits=DemoVisits(settings.secret_key),
            visitors=DemoVisitors(client, directory, external_ids),
            directory=directory,
            tokens=TokenStore(client),
            sender=Sender(
                deliverer,
                directory,
                CategoryStore(client, time.monotonic),
                JobStore(client),
                OverrideStore(client),
                inbox_only.events,
                self.quotas,
            ),
            now=self._now,
            restart=self.restart,
        )
        return [
            *bind(demo_pages.DemoPagesResource(gate, StaticFiles()), demo_pages.OPERATIONS),
            *bind(visits, demo_visits.OPERATIONS),
        ]

    def _now(self) -> Moment:
        return tuple.__new__(Moment, (int(time.time() * 1000), self.new_epoch()))  # half the time of the constructor
