"""From credentials to a principal: project keys, user HMACs, user tokens.

Every comparison of a secret takes constant time, and the algorithm of a token follows from the key: HS256, whatever
the token claims.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from typing import Any

import jwt

from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.principal import Credentials, Identity, Principal, Project, User, normalize_email
from gateway.store.directory import Directory, IdentityConflictError
from gateway.store.projects import ProjectStore

MAX_NAME_LENGTH = 255
"""Longest external id and email of the v1 contract."""

_TOKEN_ALGORITHM = "HS256"  # noqa: S105 - a name, not a secret

_MOST_EXACT_INTEGER = 2**53
"""RFC 7493, 2.2: beyond it JSON readers disagree, so an `exp` of that size is no time."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""JSON can escape half a character. No UTF-8 text holds one, so it names no project and no user."""


def user_hmac(secret: str, name: str) -> str:
    """Compute the user HMAC of the v1 contract: base64(HMAC-SHA256(secret, external id or lower-case email))."""
    return base64.b64encode(hmac.digest(secret.encode(), name.encode(), hashlib.sha256)).decode()


def user_token(project: Project, identity: Identity, expires_at: int) -> str:
    """Sign a user token as a customer's backend would. `expires_at` is unix seconds."""
    claims: dict[str, Any] = {"api_key": project.api_key, "exp": expires_at}
    if identity.external_id:
        claims["user_external_id"] = identity.external_id
    if identity.email:
        claims["user_email"] = identity.email
    return jwt.encode(claims, project.secrets[0], algorithm=_TOKEN_ALGORITHM)


def header_credentials(header: Callable[[str], str | None]) -> Credentials:
    """Read the credentials of a request's headers; `header` gives one by its lower-case name."""
    scheme, _, token = (header("authorization") or "").partition(" ")
    return Credentials(
        api_key=header("x-magicbell-api-key"),
        api_secret=header("x-magicbell-api-secret"),
        external_id=_unicode(header("x-magicbell-user-external-id")),
        email=_unicode(header("x-magicbell-user-email")),
        hmac=header("x-magicbell-user-hmac"),
        token=token.strip() if scheme.lower() == "bearer" else None,
    )


def _unicode(value: str | None) -> str | None:
    """Read a header as its sender meant it: HTTP hands out latin-1, which browsers send; Go and Ruby send UTF-8."""
    try:
        return value.encode("latin-1").decode() if value else value
    except UnicodeError:
        return value


class Authenticator:
    """Verifies credentials. Methods raise ApiError and StoreUnavailableError."""

    def __init__(self, projects: ProjectStore, directory: Directory, unix: Callable[[], float]):
        self._projects = projects
        self._directory = directory
        self._unix = unix

    async def admin(self, credentials: Credentials) -> Principal:
        """Verify a backend: API key and secret."""
        project = await self._project(credentials.api_key)
        self._check_secret(project, credentials.api_secret)
        return Principal(project)

    async def user(self, credentials: Credentials) -> Principal:
        """Verify a user: a token; or API key, a user name, and an HMAC or the secret where the project asks for it."""
        if credentials.token:
            return await self._token_user(credentials)
        project = await self._project(credentials.api_key)
        identity = _identity(credentials.external_id, credentials.email)
        name = identity.external_id or identity.email or ""
        if credentials.api_secret:
            self._check_secret(project, credentials.api_secret)
        elif credentials.hmac:
            _check_hmac(project, name, credentials.hmac)
        elif project.hmac_enabled:
            raise api_error(ErrorCode.NEITHER_USER_HMAC_NOR_API_SECRET_PROVIDED)
        # The HMAC vouches for one name; the other header is unproven, so it must not link identities.
        proven = Identity(external_id=identity.external_id) if identity.external_id else identity
        return Principal(project, await self._resolve(project, proven))

    async def forget(self, user: User) -> None:
        """Take note that a user was deleted: the name that led here is free again."""
        await self._directory.forget(user)

    async def _token_user(self, credentials: Credentials) -> Principal:
        token = credentials.token or ""
        try:
            unverified = jwt.decode(token, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            raise api_error(ErrorCode.TOKEN_IS_INCORRECT) from None
        api_key = _text_claim(unverified, "api_key")
        if not api_key or (credentials.api_key and credentials.api_key != api_key):
            raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "The token's api_key is missing or of another project")
        project = await self._project(api_key)
        claims = self._verified_claims(token, project)
        identity = _claimed_identity(claims)
        token_id, issued_at = claims.get("jti"), claims.get("iat")
        return Principal(
            project,
            await self._resolve(project, identity),
            int(claims["exp"]),
            token_id if isinstance(token_id, str) else "",
            # A token that does not say when it was issued is older than any revocation.
            int(issued_at) if isinstance(issued_at, int | float) and abs(issued_at) <= _MOST_EXACT_INTEGER else 0,
        )

    def _verified_claims(self, token: str, project: Project) -> dict[str, Any]:
        for secret in project.secrets:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    secret,
                    algorithms=[_TOKEN_ALGORITHM],
                    options={
                        "require": ["exp"],
                        "verify_exp": False,
                        "verify_aud": False,
                        "verify_iat": False,
                        "enforce_minimum_key_length": False,
                    },
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.MissingRequiredClaimError:
                raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "The token's exp is missing") from None
            except jwt.InvalidTokenError:
                break
            expires_at = claims["exp"]
            # NaN and Infinity, which Python reads in JSON, fail the comparison as well.
            if not isinstance(expires_at, int | float) or not abs(expires_at) <= _MOST_EXACT_INTEGER:
                raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "The token's exp is not a unix time")
            if expires_at <= self._unix():
                raise api_error(ErrorCode.TOKEN_EXPIRED)
            return claims
        raise api_error(ErrorCode.TOKEN_IS_INCORRECT)

    async def _project(self, api_key: str | None) -> Project:
        if not api_key:
            raise api_error(ErrorCode.API_KEY_NOT_PROVIDED)
        project = await self._projects.by_api_key(api_key)
        if project is None:
            raise api_error(ErrorCode.INCORRECT_API_KEY)
        return project

    async def _resolve(self, project: Project, identity: Identity) -> User:
        try:
            return await self._directory.resolve(project.id, identity)
        except IdentityConflictError:
            raise api_error(
                ErrorCode.TOKEN_IS_INCORRECT, "user_external_id and user_email belong to two different users"
            ) from None

    @staticmethod
    def _check_secret(project: Project, secret: str | None) -> None:
        if not secret:
            raise api_error(ErrorCode.API_SECRET_NOT_PROVIDED)
        if not _matches_any(secret, project.secrets):
            raise api_error(ErrorCode.API_SECRET_IS_INCORRECT)


def _check_hmac(project: Project, name: str, given: str) -> None:
    if not _matches_any(given, (user_hmac(secret, name) for secret in project.secrets)):
        raise api_error(ErrorCode.USER_HMAC_IS_INCORRECT)


def _matches_any(given: str, expected: Iterable[str]) -> bool:
    # Every candidate is compared, so that the time does not tell which one matched.
    matches = [hmac.compare_digest(given.encode(), one.encode()) for one in expected]
    return any(matches)


def _identity(external_id: str | None, email: str | None) -> Identity:
    email = normalize_email(email) if email else None
    if not external_id and not email:
        raise api_error(ErrorCode.USER_EMAIL_NOT_PROVIDED)
    too_long = [
        f"Param '{name}' must have at most {MAX_NAME_LENGTH} characters"
        for name, value in (("external_id", external_id), ("email", email))
        if value and len(value) > MAX_NAME_LENGTH
    ]
    if too_long:
        raise invalid(*too_long)
    return Identity(external_id or None, email or None)


def _claimed_identity(claims: dict[str, Any]) -> Identity:
    external_id, email = _text_claim(claims, "user_external_id"), _text_claim(claims, "user_email")
    if not external_id and not email:
        raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "The token names no user_external_id and no user_email")
    return _identity(external_id, email)


def _text_claim(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or _LONE_SURROGATE.search(value):
        raise api_error(ErrorCode.TOKEN_IS_INCORRECT, f"The token's {name} is not a string")
    return value
