"""Which resources a worker binds, and the access of each caller."""

from gateway.api.admin.parts import AdminParts
from gateway.api.binding import ApiBuilder
from gateway.api.operations import OPERATIONS
from gateway.auth.authenticator import Authenticator
from gateway.auth.inbox_tokens import InboxTokens
from gateway.domain.outbound import OPERATOR
from gateway.domain.proxy import Proxies
from gateway.runtime.outbound import OutboundHttp
from gateway.sending.outbox import OutboxSender
from gateway.server.metrics_page import MetricsPage
from gateway.settings import Settings
from gateway.store.activity import ActiveUsers
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.connection_tails import ConnectionTails
from gateway.store.contents import ContentStore
from gateway.store.delivery_configs import DeliveryConfigStore
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention
from gateway.store.idempotency import IdempotencyStore
from gateway.store.inbox import InboxStore
from gateway.store.integrations import IntegrationStore
from gateway.store.lanes import LaneStore
from gateway.store.library import LIBRARY
from gateway.store.presence import PresenceQuestions
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_event_tails import EventTails
from gateway.store.project_events import ProjectEvents
from gateway.store.projects import ProjectStore
from gateway.store.quotas import Quotas, UsedFigures
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.subscriber import Subscriber
from gateway.store.redis.topology import Topology
from gateway.store.store_metrics import StoreMetrics
from gateway.store.tokens import TokenStore
from gateway.store.webhook_endpoints import WebhookEndpointStore
from gateway.store.webhook_lanes import WebhookLanes

SETTINGS = Settings()


async def test_a_worker_binds_every_row_in_the_order_of_the_table_and_admits_every_caller() -> None:
    client = FunctionClient(Topology(SETTINGS), LIBRARY)
    retention = LogRetention(1, 1)
    projects, directory = ProjectStore(client, "secret"), Directory(client, lambda: 0.0)
    endpoints = WebhookEndpointStore(client, "secret")
    event_log = ProjectEventLog(client, EventRetention(1, 1))
    builder = ApiBuilder(
        settings=SETTINGS,
        client=client,
        proxies=Proxies(()),
        authenticator=Authenticator(
            projects,
            directory,
            TokenStore(client),
            lambda: 0.0,
            SETTINGS.new_user_limits,
            InboxTokens(ChannelTokenStore(client), directory),
        ),
        log_retention=retention,
        projects=projects,
        directory=directory,
        delivery_configs=DeliveryConfigStore(client),
        outbox=OutboxSender(InboxStore(client, retention, ContentStore(client)), LaneStore(client)),
        integrations=IntegrationStore(client, "secret"),
        webhook_endpoints=endpoints,
        webhook_lanes=WebhookLanes(LaneStore(client), endpoints),
        outbound=OutboundHttp(SETTINGS.outbound_rules),
        operators_outbound=OutboundHttp(OPERATOR),
        inboxes=InboxStore(client, retention, ContentStore(client)),
        contents=ContentStore(client),
        activity=ActiveUsers(client),
        idempotency=IdempotencyStore(client),
        admin=AdminParts(SETTINGS, client, OutboundHttp(OPERATOR)),
        senders={},
        event_log=event_log,
        events=ProjectEvents(event_log),
        quotas=Quotas(UsedFigures(client, directory), ProjectEvents(event_log)),
        tails=EventTails(Subscriber(client, "w")),
        connection_tails=ConnectionTails(Subscriber(client, "w"), lambda project_id: None),
        questions=PresenceQuestions(client, Subscriber(client, "w"), "w"),
        not_ready=lambda: "",
        read_metrics=MetricsPage(StoreMetrics(client), "gateway-1").read,
        new_epoch=lambda: "e",
    )
    bound = [operation.row for operation in builder.operations()]
    assert bound == OPERATIONS, "gateway/api/binding.py and operations.py have other rows, or another order"
    assert {row.caller for row in OPERATIONS} == builder.accesses().keys()
    client.close()
