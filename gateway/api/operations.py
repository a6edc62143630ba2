"""The route table: the rows of all resources, and their OpenAPI document.

The first row that matches a path is used. So the order matters where a path parameter may contain slashes.
"""

from typing import Any

from gateway.api.admin import admins, audit, nodes, own_account
from gateway.api.admin import projects as admin_projects
from gateway.api.admin import session as admin_session
from gateway.api.admin import sso as admin_sso
from gateway.api.admin import workspaces as admin_workspaces
from gateway.api.core import openapi
from gateway.api.core.operation import AnyOperation
from gateway.api.system import browser_files, events, health, pages, transports, unsubscribe
from gateway.api.system import document as openapi_document
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
    channel_tokens,
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
from gateway.api.v2 import notifications as v2_notifications
from gateway.api.v2 import preferences as v2_preferences
from gateway.api.v2 import users as v2_users

OPERATIONS: list[AnyOperation] = [
    *notifications.OPERATIONS,
    *preferences.OPERATIONS,
    *subscriptions.OPERATIONS,
    *devices.OPERATIONS,
    # Before the users, whose names may contain slashes.
    *revocations.OPERATIONS,
    *users.OPERATIONS,
    *tokens.OPERATIONS,
    *keys.OPERATIONS,
    *v2_notifications.OPERATIONS,
    *v2_preferences.OPERATIONS,
    *channel_tokens.OPERATIONS,
    # Before the events, of which `tail` is not an id.
    *event_tail.OPERATIONS,
    *project_events.OPERATIONS,
    # Before the users, whose names may contain slashes.
    *user_connections.OPERATIONS,
    *connection_tail.OPERATIONS,
    *storage.OPERATIONS,
    *limits.OPERATIONS,
    *usage.OPERATIONS,
    *overview.OPERATIONS,
    *delivery_config.OPERATIONS,
    *delivery_plans.OPERATIONS,
    *delivery_lanes.OPERATIONS,
    # Before the users, whose names may contain slashes.
    *traces.OPERATIONS,
    *user_summary.OPERATIONS,
    *user_export.OPERATIONS,
    *deliveries.OPERATIONS,
    *delivery_reports.OPERATIONS,
    *delivery_retries.OPERATIONS,
    # Before the integrations, of which `installations` is not an id.
    *installations.WEB_PUSH_OPERATIONS,
    *installations.OPERATIONS,
    *slack_installations.OPERATIONS,
    *suppressions.OPERATIONS,
    *template_preview.OPERATIONS,
    *previews.OPERATIONS,
    *integration_tests.OPERATIONS,
    *integrations.OPERATIONS,
    # After the tokens of users, because names of users may contain slashes.
    *v2_users.OPERATIONS,
    *incoming_webhooks.OPERATIONS,
    *webhook_endpoints.OPERATIONS,
    *webhook_messages.OPERATIONS,
    *sent.OPERATIONS,
    *broadcasts.OPERATIONS,
    *broadcast_audiences.OPERATIONS,
    *v2_broadcasts.OPERATIONS,
    *imports.OPERATIONS,
    *active_users.OPERATIONS,
    *projects.OPERATIONS,
    *config.OPERATIONS,
    *events.OPERATIONS,
    *health.OPERATIONS,
    *unsubscribe.OPERATIONS,
    *pages.OPERATIONS,
    *browser_files.OPERATIONS,
    *openapi_document.OPERATIONS,
    *admin_session.OPERATIONS,
    *admin_sso.OPERATIONS,
    *admin_projects.OPERATIONS,
    *admins.OPERATIONS,
    *own_account.OPERATIONS,
    *admin_workspaces.OPERATIONS,
    *audit.OPERATIONS,
    *nodes.OPERATIONS,
]


def document(*, admin: bool = True) -> dict[str, Any]:
    """Return the OpenAPI document of operations and live transports. `admin`: also the operations of the dashboard."""
    rows = OPERATIONS if admin else [row for row in OPERATIONS if not row.path.startswith("/admin/")]
    return openapi.document(rows, transports.TRANSPORTS)
