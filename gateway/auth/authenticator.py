"""The verification of a request's credentials: API keys and secrets, user HMACs, user and project tokens."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from gateway.auth.credentials import check_hmac, check_secret, proven_identity
from gateway.auth.inbox_tokens import InboxTokens, is_inbox_token
from gateway.auth.tokens import UnverifiedToken, VerifiedToken
from gateway.domain.errors import ApiError, ErrorCode, api_error
from gateway.domain.new_user_limits import NewUserLimits
from gateway.domain.principal import Credentials, Identity, Principal, Project, ProjectPrincipal, User, UserPrincipal
from gateway.domain.signing import NO_PROOF, secret_id
from gateway.store.directory import Directory
from gateway.store.errors import IdentityConflictError, TooManyNewUsersError
from gateway.store.projects import ProjectStore
from gateway.store.tokens import TokenStore
from gateway.telemetry.metrics import NEW_USERS_REFUSED


class Verified(NamedTuple):
    """The caller that some headers were verified to name; `identity` is the name of a user that came without a token.

    A verification compares headers with the project's record. While both are the same, so is its result.
    """

    principal: Principal
    identity: Identity | None


class Authenticator:
    """Verifies credentials and returns principals.

    Methods raise ApiError for refused credentials, and StoreUnavailableError.

    `unix` returns the current time in unix seconds.
    """

    def __init__(
        self,
        projects: ProjectStore,
        directory: Directory,
        tokens: TokenStore,
        unix: Callable[[], float],
        new_user_limits: NewUserLimits,
        inbox_tokens: InboxTokens,
    ):
        self._projects = projects
        self._directory = directory
        self._tokens = tokens
        self._unix = unix
        self._new_user_limits = new_user_limits
        self._inbox_tokens = inbox_tokens

    async def admin(self, credentials: Credentials) -> ProjectPrincipal:
        """Verify a backend, by API key and secret or by a project token. Raises TokenRevokedError too."""
        if credentials.token and not credentials.api_secret:
            return await self._token_admin(credentials)
        project = await self._project(credentials.api_key)
        check_secret(project, credentials.api_secret)
        return ProjectPrincipal(project)

    async def user(
        self,
        credentials: Credentials,
        must_exist: bool = False,
        address: Callable[[], str] | None = None,
        use: str = "",
    ) -> UserPrincipal:
        """Verify a user and return the principal.

        The credentials are a token, or an API key and a name with an HMAC or the API secret. If the project has HMAC
        disabled, an API key and a name are enough.

        An unknown user is created, except for credentials with the API secret if `must_exist` is true. If the name is
        not proven, the user is created only within the limits for the client's address, which `address` returns.
        Without `address`, a user whose name is not proven is never created. A token that is for one operation alone is
        accepted if `use` names that operation.
        """
        if credentials.token:
            return await self._token_user(credentials, use)
        project = await self._project(credentials.api_key)
        proven = proven_identity(credentials)
        name = proven.external_id or proven.email or ""
        credential = NO_PROOF
        if credentials.api_secret:
            credential = check_secret(project, credentials.api_secret)
        elif credentials.hmac:
            credential = check_hmac(project, name, credentials.hmac)
        elif project.hmac_enabled:
            raise api_error(ErrorCode.NEITHER_USER_HMAC_NOR_API_SECRET_PROVIDED)
        if must_exist and credentials.api_secret:
            user = await self._find(project, proven)
        elif credential:
            user = await self._resolve(project, proven)
        elif address is None:
            user = await self._find(project, proven)
        else:
            user = await self._resolve_limited(project, proven, address)
        return UserPrincipal(project, user, credential, project.valid_credentials.get(credential))

    async def live_user(self, credentials: Credentials, address: Callable[[], str] | None = None) -> UserPrincipal:
        """Verify a user who opens a live connection: as `user` does, or by an inbox token and an API key."""
        if not is_inbox_token(credentials):
            return await self.user(credentials, address=address)
        return await self._inbox_tokens.user(await self._project(credentials.api_key), credentials.token or "")

    def recall_admin(self, verified: Verified) -> ProjectPrincipal | None:
        """Return the backend that the same headers named before, None if they must be verified again.

        Tokens are verified anew each time.
        """
        principal = verified.principal
        if not isinstance(principal, ProjectPrincipal) or principal.token_id:
            return None
        return principal if self._is_current(principal.project) else None

    def recall_user(self, verified: Verified) -> UserPrincipal | None:
        """Return the user that the same headers named before, None if they must be verified again.

        The user must still be cached under that name. This saves 17 of the 60 µs of an unread count (measured). Tokens
        are verified anew each time.
        """
        principal, identity = verified
        if not isinstance(principal, UserPrincipal) or identity is None or not self._is_current(principal.project):
            return None
        return principal if self._directory.cached(principal.user.project_id, identity) is principal.user else None

    def named_project(self, credentials: Credentials) -> Project | None:
        """Return the cached project that credentials name, whether or not they are right; None if there is none."""
        api_key = credentials.api_key
        if not api_key and credentials.token:
            try:
                api_key = UnverifiedToken(credentials.token).api_key
            except ApiError:
                return None
        return self._projects.cached(api_key) if api_key else None

    def _is_current(self, project: Project) -> bool:
        """Return whether the cached record of a project is the same object, and not only one with the same fields."""
        return self._projects.cached(project.api_key) is project

    async def forget(self, user: User) -> None:
        """Remove the names of a deleted user from the directory, so that they can become another user's."""
        await self._directory.forget(user)

    async def current(self, project: Project) -> Project | None:
        """Return a project as this node's cache has it, None if it has been deleted."""
        return await self._projects.by_api_key(project.api_key)

    async def projects(self, api_keys: Iterable[str]) -> Mapping[str, Project | None]:
        """Return projects by API key, read from the store and not from the cache; None for one that does not exist."""
        return await self._projects.by_api_keys(api_keys)

    async def _token_admin(self, credentials: Credentials) -> ProjectPrincipal:
        project, token = await self._verified_token(credentials)
        token_id = token.token_id
        if token.project_id is None:
            raise api_error(ErrorCode.FORBIDDEN, "This is a user's token; a project's is needed, or the API secret")
        # Public keys are for user tokens only: the owner of a key pair must not be able to act as the backend.
        secret_ids = map(secret_id, project.secrets)
        if token.project_id != project.id or token.credential not in secret_ids or not token_id:
            raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "The token is no token of this project")
        if not await self._tokens.check_project_token(project.id, token_id, int(self._unix())):
            raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "The project has no such token")
        return ProjectPrincipal(project, token_id, token.issued_at or 0)

    async def _token_user(self, credentials: Credentials, use: str) -> UserPrincipal:
        project, token = await self._verified_token(credentials)
        if token.project_id is not None:
            raise api_error(ErrorCode.FORBIDDEN, "A project's token opens no inbox: a user's is needed")
        token.check_use(use)
        return UserPrincipal(
            project,
            await self._token_owner(project, token),
            token.credential,
            project.valid_credentials.get(token.credential),
            token.token_id,
            token.issued_at or 0,  # without `iat` the token counts as older than any revocation
            token.expires_at,
        )

    async def _token_owner(self, project: Project, token: VerifiedToken) -> User:
        user_id = token.user_id
        if user_id is None:
            identity = token.identity()
            user = await self._resolve(project, identity)
            deleted_at = (
                identity.external_id and user.external_id_deleted_at,
                identity.email and user.email_deleted_at,
            )
            # A token without `iat` is for the present user of that name, as an HMAC is.
            latest = max(at or 0 for at in deleted_at)
            if latest and token.issued_at is not None and token.issued_at <= latest:
                raise api_error(ErrorCode.TOKEN_REVOKED, "The token's user was deleted")
            return user
        # Issued by the gateway: the token is for this user alone, not for a later user of the same name.
        found = await self._directory.by_id(project.id, user_id)
        if found is None:
            raise api_error(ErrorCode.TOKEN_REVOKED, "The token's user was deleted")
        return found

    async def _verified_token(self, credentials: Credentials) -> tuple[Project, VerifiedToken]:
        token = UnverifiedToken(credentials.token or "")
        if not token.api_key or (credentials.api_key and credentials.api_key != token.api_key):
            raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "The token's api_key is missing or of another project")
        project = await self._project(token.api_key)
        return project, token.verified(project, self._unix())

    async def _project(self, api_key: str | None) -> Project:
        if not api_key:
            raise api_error(ErrorCode.API_KEY_NOT_PROVIDED)
        project = await self._projects.by_api_key(api_key)
        if project is None:
            raise api_error(ErrorCode.INCORRECT_API_KEY)
        return project

    async def _find(self, project: Project, identity: Identity) -> User:
        name = f"x:{identity.external_id}" if identity.external_id else f"e:{identity.email}"
        user = await self._directory.find(project.id, name)
        if user is None:
            raise api_error(ErrorCode.USER_NOT_FOUND)
        return user

    async def _resolve_limited(self, project: Project, identity: Identity, address: Callable[[], str]) -> User:
        limits = self._new_user_limits
        if not limits.limited:
            return await self._resolve(project, identity)
        try:
            return await self._directory.resolve_limited(project.id, identity, address, limits)
        except TooManyNewUsersError as problem:
            NEW_USERS_REFUSED.inc()
            most, whose = (limits.per_address, "from here") if problem.of_address else (limits.per_project, "in all")
            message = f"More than {most} new users an hour {whose}, who came without proof"
            raise api_error(ErrorCode.TOO_MANY_NEW_USERS, message, problem.retry_after_seconds) from None

    async def _resolve(self, project: Project, identity: Identity) -> User:
        try:
            return await self._directory.resolve(project.id, identity)
        except IdentityConflictError:
            raise api_error(
                ErrorCode.TOKEN_IS_INCORRECT, "user_external_id and user_email belong to two different users"
            ) from None
