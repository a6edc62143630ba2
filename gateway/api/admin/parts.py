"""What the operations of the dashboard share in a worker: the sign-in, the links and the audit log."""

from gateway.api.admin import admins, audit, nodes, own_account, projects, session, sso, workspaces
from gateway.api.admin.audit_entries import AuditWriter
from gateway.api.core.operation import BoundOperation, bind
from gateway.api.v1.projects import ProjectsResource
from gateway.auth.admins import AdminAuthenticator
from gateway.auth.passwords import PasswordHasher
from gateway.auth.sso import SsoAdmins
from gateway.auth.sso_state import SsoStates
from gateway.domain.sso_roles import read_sso_roles
from gateway.runtime.outbound import OutboundHttp
from gateway.settings import Settings, first_line
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

    def __init__(self, settings: Settings, client: FunctionClient, operators_outbound: OutboundHttp):
        self._client = client
        self._public_url = settings.public_url
        self._clients_port = settings.port if settings.admin_port else 0
        self._settings = settings
        self._outbound = operators_outbound
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
            self.authenticator, self.links, self.audit, self._sso_name, self._public_url, self._clients_port
        )
        return [
            *bind(session_resource, session.OPERATIONS),
            *bind(self._sso(), sso.OPERATIONS),
            *bind(projects.AdminProjectsResource(base, workspace_store), projects.OPERATIONS),
            *bind(admins_resource, admins.OPERATIONS),
            *bind(own_account.OwnAccountResource(self.authenticator), own_account.OPERATIONS),
            *bind(workspaces.AdminWorkspacesResource(workspace_store), workspaces.OPERATIONS),
            *bind(audit.AuditResource(self.log, base.projects), audit.OPERATIONS),
            *bind(nodes_resource, nodes.OPERATIONS),
        ]

    @property
    def _sso_name(self) -> str:
        return (self._settings.oidc_name or "single sign-on") if self._settings.oidc_issuer else ""

    def _sso(self) -> sso.SsoResource:
        settings, provider = self._settings, None
        roles = read_sso_roles(settings.oidc_roles) if settings.oidc_roles else None
        if settings.oidc_issuer:
            from gateway.auth.oidc import Client, OidcProvider  # with an extra

            secret = first_line(settings.oidc_client_secret_file)
            client = Client(settings.oidc_issuer, settings.oidc_client_id, secret, settings.oidc_scopes)
            provider = OidcProvider(client, roles, self._outbound)
        admins = SsoAdmins(self.authenticator.admins, self.authenticator.sessions, roles)
        return sso.SsoResource(self.authenticator, admins, SsoStates(settings.secret_key), self.audit, provider)
