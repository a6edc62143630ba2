"""Admits admins: by the cookie of a session, or by a token in `Authorization`.

A cookie counts below `/admin` only, and for requests of other sites' pages not even there. An unsafe request with a
cookie must come from a page of the dashboard, and have a JSON body. Each unsafe request leaves an entry in the audit
log, however it ends.
"""

from starlette.responses import Response

from gateway.api.admin.audit_entries import Action, AuditWriter
from gateway.api.admin.cookies import check_json, check_not_embedded, check_same_origin, session_secret
from gateway.api.admin.shapes import TAG
from gateway.api.core.access import Access, Responder
from gateway.api.core.call import ADMIN_PROJECT, AdminCall, AdminProjectCall, CallContext
from gateway.api.core.cors import ALLOWED_ORIGINS
from gateway.api.core.operation import AnyOperation, Handler
from gateway.api.core.problems import not_found
from gateway.api.core.requests import ApiRequest
from gateway.auth.admins import AdminAuthenticator
from gateway.domain.admin import AdminPrincipal, Role
from gateway.domain.errors import ErrorCode, api_error
from gateway.domain.ids import ProjectId
from gateway.domain.principal import Project, ProjectPrincipal
from gateway.store.admin_sessions import SessionKind
from gateway.store.projects import ProjectStore

SAFE_METHODS = ("GET", "HEAD")


def is_audited(row: AnyOperation) -> bool:
    """Return whether calls leave an entry: all that are not safe, unless a viewer may make them in a project.

    Such a call only reads, but has a body. Of an admin's own operations, as the sign-out, all leave one. What is read
    after the password, such as channel tokens in full, leaves one as well, and so does all that is stored of a user.
    """
    return (
        row.confirmed
        or row.audited
        or (row.method not in SAFE_METHODS and (row.tag == TAG or row.role is not Role.VIEWER))
    )


class AdminAccess(Access):
    """Admits calls of admins, in general and for a project."""

    def __init__(
        self, context: CallContext, authenticator: AdminAuthenticator, projects: ProjectStore, audit: AuditWriter
    ):
        super().__init__(context)
        self._authenticator = authenticator
        self._projects = projects
        self._audit = audit

    def responder(self, row: AnyOperation, handler: Handler) -> Responder:
        """Return the responder of an operation."""
        action, check_length = Action.of_row(row), self._length_check(row)
        is_safe, names_project = row.method in SAFE_METHODS, row.caller is ADMIN_PROJECT
        leaves_entry = is_audited(row)

        async def respond(request: ApiRequest) -> Response:
            request.note(ALLOWED_ORIGINS, ())  # no page of another origin may read the response
            principal = await self._principal(request)
            if is_safe and not principal.is_token:
                check_not_embedded(request)
            elif not principal.is_token:
                check_same_origin(request, request.forwarded(self._context.proxies))
                check_json(request, reads_body=row.reads_body)
            project = await self._project(request, principal) if names_project else None

            async def call() -> Response:
                role = self._role(row, principal, project)
                check_length(request)
                call = _call(row, request, self._context, principal, role, project)
                call.check_query()
                return await handler(call)

            if not leaves_entry:
                return await call()
            request.audited = {}
            problem: BaseException | None = None
            try:
                return await call()
            except BaseException as raised:
                problem = raised
                raise
            finally:
                address = request.client_address(self._context.proxies)
                named = project.id if project is not None else str(request.audited.pop("project_id", ""))
                await self._audit.write_call(action, request, principal, address, named, problem)

        return respond

    async def _principal(self, request: ApiRequest) -> AdminPrincipal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            principal = await self._authenticator.principal(token.strip(), SessionKind.TOKEN)
        else:
            secret = session_secret(request, request.forwarded(self._context.proxies))
            principal = await self._authenticator.principal(secret, SessionKind.BROWSER)
        request.admin_id = principal.admin.id
        request.recheck = lambda: self._authenticator.check_open(principal)
        return principal

    async def _project(self, request: ApiRequest, principal: AdminPrincipal) -> Project:
        """Return the project that the path names. Raises ApiError 404, also for one that the admin may not enter."""
        project = await self._projects.by_id(ProjectId(request.path_params["project_id"]))
        if project is None or principal.admin.role_in(project.workspace_id) is None:
            raise not_found("Project")
        request.principal = ProjectPrincipal(project)  # for the access log
        return project

    def _role(self, row: AnyOperation, principal: AdminPrincipal, project: Project | None) -> Role:
        """Return the role of an admin for a call. Raises ApiError 403 if it is too low, or the password is needed."""
        admin = principal.admin
        role = admin.highest_role if project is None else admin.role_in(project.workspace_id)
        if role is None or not role.allows(row.role):
            raise api_error(ErrorCode.ROLE_TOO_LOW, f"This needs the role {row.role.value}")
        if row.confirmed and not self._authenticator.is_confirmed(principal):
            raise api_error(ErrorCode.CONFIRMATION_REQUIRED)
        return role


def _call(
    row: AnyOperation,
    request: ApiRequest,
    context: CallContext,
    principal: AdminPrincipal,
    role: Role,
    project: Project | None,
) -> AdminCall:
    if project is None:
        return AdminCall(row.inputs, request, context, principal, role)
    return AdminProjectCall(row.inputs, request, context, principal, role, project)
