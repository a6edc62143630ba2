"""What the operations of the dashboard share in a worker: the sign-in, the links and the audit log."""

from gateway.api.admin import admins, audit, nodes, own_account, projects, session, workspaces
from gateway.api.admin.audit_entries import AuditWriter
from gateway.api.core.operation import BoundOperation, bind
from gateway.api.v1.projects import ProjectsResource
from gateway.auth.admins import AdminAuthenticator
from gateway.auth.passwords import PasswordHasher
from gateway.settings import Settings
from gateway.store.admin_links import AdminLinkStore
from gateway.store.admin_sessions import AdminSessionStore
from gateway.store.admin_tries import AdminTries
from gateway.store.admins import AdminStore
from gateway.store.audit_log import AuditLog, AuditRetention
from gateway.store.lanes import LaneStore
from gateway.store.nodes import NodeStore
from gateway.store.redis.client import FunctionClient
from gateway.store.workspaces import WorkspaceStore


class AdminParts:
    """The parts, from which the access of admins and their operations are built."""

    def __init__(self, settings: Settings, client: FunctionClient):
        self._client = client
        self._public_url = settings.public_url
        self._clients_port = settings.port if settings.admin_port else 0
        self.is_on = settings.admin == "on"
        self.authenticator = AdminAuthenticator(
            AdminStore(client), AdminSessionStore(client), AdminTries(client), PasswordHasher()
        )
        self.links = AdminLinkStore(client)
        self.log = AuditLog(client, AuditRetention(settings.audit_entries, settings.audit_seconds))
        self.audit = AuditWriter(self.log)

    def operations(self, base: ProjectsResource) -> list[BoundOperation]:
        """Return the operations of the dashboard, in the order of the route table."""
        workspace_store = WorkspaceStore(self._client)
        admins_resource = admins.AdminsResource(self.authenticator, self.links, workspace_store)
        nodes_resource = nodes.NodesResource(
            self._client, NodeStore(self._client), LaneStore(self._client), base.projects
        )
        session_resource = session.SessionResource(
            self.authenticator, self.links, self.audit, public_url=self._public_url, clients_port=self._clients_port
        )
        return [
            *bind(session_resource, session.OPERATIONS),
            *bind(projects.AdminProjectsResource(base, workspace_store), projects.OPERATIONS),
            *bind(admins_resource, admins.OPERATIONS),
            *bind(own_account.OwnAccountResource(self.authenticator), own_account.OPERATIONS),
            *bind(workspaces.AdminWorkspacesResource(workspace_store), workspaces.OPERATIONS),
            *bind(audit.AuditResource(self.log, base.projects), audit.OPERATIONS),
            *bind(nodes_resource, nodes.OPERATIONS),
        ]
