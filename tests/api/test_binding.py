"""Which resources a worker binds, and the access of each caller."""

from gateway.api.binding import accesses, bound_operations
from gateway.api.core.idempotency import Idempotency
from gateway.api.operations import OPERATIONS
from gateway.auth.authenticator import Authenticator
from gateway.domain.proxy import Proxies
from gateway.settings import Settings
from gateway.store.activity import ActiveUsers
from gateway.store.contents import ContentStore
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention
from gateway.store.idempotency import IdempotencyStore
from gateway.store.inbox import InboxStore
from gateway.store.library import LIBRARY
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from gateway.store.tokens import TokenStore

SETTINGS = Settings()


async def test_a_worker_binds_every_row_in_the_order_of_the_table_and_admits_every_caller() -> None:
    client = FunctionClient(Topology(SETTINGS), LIBRARY)
    retention = LogRetention(1, 1)
    projects = ProjectStore(client, "secret")
    directory, inboxes = Directory(client, lambda: 0.0), InboxStore(client, retention, ContentStore(client))
    activity = ActiveUsers(client)
    bound = bound_operations(
        SETTINGS,
        client,
        retention,
        projects,
        directory,
        inboxes,
        activity,
        Idempotency(IdempotencyStore(client)),
        lambda: "",
        lambda: "e",
    )
    assert [operation.row for operation in bound] == OPERATIONS
    authenticator = Authenticator(projects, directory, TokenStore(client), lambda: 0.0, SETTINGS.new_user_limits)
    admitted = accesses(SETTINGS, client, Proxies(()), authenticator, inboxes, activity)
    assert {row.caller for row in OPERATIONS} == admitted.keys()
    client.close()
