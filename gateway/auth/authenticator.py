"""From credentials to a principal: project keys, user HMACs, tokens of users and of projects.

Every comparison of a secret takes constant time, and the algorithm of a token follows from the key, whatever the token
claims: HS256 for an API secret, RS256 or ES256 for a public key.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jwt

from gateway.auth.jwks import VerificationKey, verification_key
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.newcomers import CreationLimits
from gateway.domain.principal import (
    Credentials,
    Identity,
    Project,
    ProjectPrincipal,
    User,
    UserId,
    UserPrincipal,
    normalize_email,
)
from gateway.domain.signing import NO_PROOF, SECRET_ALGORITHM, secret_id
from gateway.store.directory import Directory, IdentityConflictError, TooManyNewUsersError
from gateway.store.projects import ProjectStore
from gateway.store.tokens import Token, TokenStore
from gateway.telemetry.metrics import NEW_USERS_REFUSED

MAX_NAME_LENGTH = 255
"""Longest external id and email of the v1 contract."""

USER_CLAIM = "inbox_user"
"""In tokens issued here: the user's id, which is never given to anybody else, as a name may be."""

PROJECT_CLAIM = "inbox_project"
"""In a project's tokens, which only the gateway issues: the project's id."""

_MOST_EXACT_INTEGER = 2**53
"""RFC 7493, 2.2: beyond it JSON readers disagree, so a number of that size is no time."""

_LATEST_SECOND = 253_402_300_799
"""The end of the year 9999. What is later is most likely in milliseconds: a token that would not expire."""

MOST_ISSUED_AHEAD_SECONDS = 300
"""How far the clock of who signs a token may be ahead of ours, as Kerberos and others have it.

An `iat` that is later counts as none: such a token would outlast every revocation.
"""

_JWS = jwt.PyJWS()

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""JSON can escape half a character. No UTF-8 text holds one, so it names no project and no user."""


def user_hmac(secret: str, name: str) -> str:
    """Compute the user HMAC of the v1 contract: base64(HMAC-SHA256(secret, external id or lower-case email))."""
    return base64.b64encode(hmac.digest(secret.encode(), name.encode(), hashlib.sha256)).decode()


def user_token(project: Project, identity: Identity, issued_at: int, expires_at: int) -> str:
    """Sign a user token as a customer's backend would. The times are unix seconds."""
    claims: dict[str, Any] = {"api_key": project.api_key, "iat": issued_at, "exp": expires_at}
    if identity.external_id:
        claims["user_external_id"] = identity.external_id
    if identity.email:
        claims["user_email"] = identity.email
    return jwt.encode(claims, project.secrets[0], algorithm=SECRET_ALGORITHM)


def issued_token(project: Project, owner: User | None, token: Token) -> str:
    """Sign a token of a user, or of the project itself; the same every time while the secret is the same."""
    claims: dict[str, Any] = {
        "api_key": project.api_key,
        "iat": token.created_at,
        "exp": token.expires_at,
        "jti": token.id,
    }
    if owner is None:
        claims[PROJECT_CLAIM] = project.id
    else:
        names = {"user_external_id": owner.external_id, "user_email": owner.email}
        claims |= {USER_CLAIM: owner.id, **{claim: name for claim, name in names.items() if name}}
    secret = project.secrets[0]
    return jwt.encode(claims, secret, algorithm=SECRET_ALGORITHM, headers={"kid": secret_id(secret)})


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

    def __init__(
        self,
        projects: ProjectStore,
        directory: Directory,
        tokens: TokenStore,
        unix: Callable[[], float],
        creation_limits: CreationLimits,
    ):
        self._projects = projects
        self._directory = directory
        self._tokens = tokens
        self._unix = unix
        self._creation_limits = creation_limits

    async def admin(self, credentials: Credentials) -> ProjectPrincipal:
        """Verify a backend: API key and secret, or a project's token. Raises TokenRevokedError too."""
        if credentials.token and not credentials.api_secret:
            return await self._token_admin(credentials)
        project = await self._project(credentials.api_key)
        _check_secret(project, credentials.api_secret)
        return ProjectPrincipal(project)

    async def user(
        self, credentials: Credentials, must_exist: bool = False, address: Callable[[], str] | None = None
    ) -> UserPrincipal:
        """Verify a user: a token; or API key, a user name, and an HMAC or the secret where the project asks for it.

        An unknown user is created, but with `must_exist` not on the word of the API secret alone. Where nobody vouches
        for the name, only so many are created in an hour, and none without an `address`, which gives the client's.
        """
        if credentials.token:
            return await self._token_user(credentials)
        project = await self._project(credentials.api_key)
        identity = _identity(credentials.external_id, credentials.email)
        name = identity.external_id or identity.email or ""
        credential = NO_PROOF
        if credentials.api_secret:
            credential = _check_secret(project, credentials.api_secret)
        elif credentials.hmac:
            credential = _check_hmac(project, name, credentials.hmac)
        elif project.hmac_enabled:
            raise api_error(ErrorCode.NEITHER_USER_HMAC_NOR_API_SECRET_PROVIDED)
        # The HMAC vouches for one name; the other header is unproven, so it must not link identities.
        proven = Identity(external_id=identity.external_id) if identity.external_id else identity
        if must_exist and credentials.api_secret:
            user = await self._find(project, proven)
        elif credential:
            user = await self._resolve(project, proven)
        elif address is None:
            user = await self._find(project, proven)
        else:
            user = await self._resolve_limited(project, proven, address)
        return UserPrincipal(project, user, credential, project.valid_credentials.get(credential))

    async def forget(self, user: User) -> None:
        """Take note that a user was deleted: the name that led here is free again."""
        await self._directory.forget(user)

    async def current(self, project: Project) -> Project | None:
        """Give a project as far as this node has heard of changes."""
        return await self._projects.by_api_key(project.api_key)

    async def projects(self, api_keys: Iterable[str]) -> Mapping[str, Project | None]:
        """Give projects as they are stored now."""
        return await self._projects.by_api_keys(api_keys)

    async def _token_admin(self, credentials: Credentials) -> ProjectPrincipal:
        project, claims, credential = await self._verified_token(credentials)
        token_id = _token_id(claims)
        if claims.get(PROJECT_CLAIM) is None:
            raise api_error(ErrorCode.FORBIDDEN, "This is a user's token; a project's is needed, or the API secret")
        # A key of the customer's is for users' tokens: it must not make a backend of whoever holds it.
        if claims[PROJECT_CLAIM] != project.id or credential not in map(secret_id, project.secrets) or not token_id:
            raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "The token is no token of this project")
        if not await self._tokens.check_project_token(project.id, token_id, int(self._unix())):
            raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "The project has no such token")
        return ProjectPrincipal(project, token_id, _issued_at(claims))

    async def _token_user(self, credentials: Credentials) -> UserPrincipal:
        project, claims, credential = await self._verified_token(credentials)
        if claims.get(PROJECT_CLAIM) is not None:
            raise api_error(ErrorCode.FORBIDDEN, "A project's token opens no inbox: a user's is needed")
        return UserPrincipal(
            project,
            await self._token_owner(project, claims),
            credential,
            project.valid_credentials.get(credential),
            _token_id(claims),
            _issued_at(claims),
            int(claims["exp"]),
        )

    async def _token_owner(self, project: Project, claims: dict[str, Any]) -> User:
        user_id = _text_claim(claims, USER_CLAIM)
        if not user_id:
            identity = _claimed_identity(claims)
            user = await self._resolve(project, identity)
            gone_at = (identity.external_id and user.external_id_gone_at, identity.email and user.email_gone_at)
            # One that does not say when it was issued is for whoever has the name, as an HMAC is.
            latest = max(at or 0 for at in gone_at)
            if latest and claims.get("iat") is not None and _issued_at(claims) <= latest:
                raise api_error(ErrorCode.TOKEN_REVOKED, "The token's user was deleted")
            return user
        # Issued here: it is for this user alone, not for whoever takes over the name.
        found = await self._directory.by_id(project.id, UserId(user_id))
        if found is None:
            raise api_error(ErrorCode.TOKEN_REVOKED, "The token's user was deleted")
        return found

    async def _verified_token(self, credentials: Credentials) -> tuple[Project, dict[str, Any], str]:
        """Give a token's project, its claims, and what it rests on."""
        token = _read_token(credentials.token or "")
        api_key = _text_claim(token.claims, "api_key")
        if not api_key or (credentials.api_key and credentials.api_key != api_key):
            raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "The token's api_key is missing or of another project")
        project = await self._project(api_key)
        for key in _signing_keys(project, token.header):
            if _has_signed(key, token):
                self._check_times(token.claims)
                return project, token.claims, key.credential
        raise api_error(ErrorCode.TOKEN_IS_INCORRECT)

    def _check_times(self, claims: dict[str, Any]) -> None:
        """Raise ApiError when a token's times make no sense or do not include now; drop an `iat` of the future."""
        now = self._unix()
        expires_at, not_before = _time_claim(claims, "exp"), _time_claim(claims, "nbf")
        issued_at = _time_claim(claims, "iat", most=_MOST_EXACT_INTEGER)
        if expires_at is None:
            raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "The token's exp is missing")
        if not_before is not None and not_before > now:
            raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "The token's nbf is in the future: it does not count yet")
        if expires_at <= now:
            raise api_error(ErrorCode.TOKEN_EXPIRED)
        if issued_at is not None and issued_at > now + MOST_ISSUED_AHEAD_SECONDS:
            claims["iat"] = None

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
        """Give the user, created if unknown and if not too many were lately: nobody vouches for the name."""
        limits = self._creation_limits
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


class _UnverifiedToken(NamedTuple):
    """A token taken apart: header, claims, the bytes that are signed, and the signature."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


class _SigningKey(NamedTuple):
    """What may verify a token, the one algorithm that it is for, and its credential."""

    material: str | VerificationKey
    algorithm: str
    credential: str


def _signing_keys(project: Project, header: Mapping[str, Any]) -> Iterator[_SigningKey]:
    """Give the project's keys that may have signed a token: that of its `kid`, or else those of its algorithm's family.

    The algorithm that a token is verified by follows from the key, whatever its header claims.
    """
    kid, claimed = header.get("kid"), header.get("alg")
    if kid is not None or claimed == SECRET_ALGORITHM:
        for secret in project.secrets:
            credential = secret_id(secret)
            if kid in (None, credential):
                yield _SigningKey(secret, SECRET_ALGORITHM, credential)
    for key in project.public_keys:
        if kid == key.id or (kid is None and claimed == key.algorithm):
            yield _SigningKey(verification_key(key), key.algorithm, key.credential_id)


def _read_token(text: str) -> _UnverifiedToken:
    """Take a token apart, once; what it says is nobody's word until a key has signed it. Raises ApiError."""
    try:
        # Of the library only what reads and what verifies: it would read everything again for every key it tries.
        parts = _JWS.decode_complete(text, options={"verify_signature": False})
        claims = json.loads(parts["payload"])
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise api_error(ErrorCode.TOKEN_IS_INCORRECT) from None
    # RFC 7515, 4.1.11: what is critical must be understood, and there is nothing that we would understand.
    if not isinstance(claims, dict) or "crit" in parts["header"]:
        raise api_error(ErrorCode.TOKEN_IS_INCORRECT)
    return _UnverifiedToken(parts["header"], claims, text.encode().rpartition(b".")[0], parts["signature"])


def _has_signed(key: _SigningKey, token: _UnverifiedToken) -> bool:
    """Say whether a key has signed a token, by the key's own algorithm and none that the token may wish for."""
    if token.header.get("alg") != key.algorithm:
        return False
    if isinstance(key.material, str):
        expected = hmac.digest(key.material.encode(), token.signed, hashlib.sha256)
        return hmac.compare_digest(expected, token.signature)
    return jwt.get_algorithm_by_name(key.algorithm).verify(token.signed, key.material, token.signature)


def _token_id(claims: dict[str, Any]) -> str:
    return _text_claim(claims, "jti") or ""


def _issued_at(claims: dict[str, Any]) -> int:
    # A token that does not say when it was issued is older than any revocation.
    return int(claims.get("iat") or 0)


def _time_claim(claims: dict[str, Any], name: str, most: float = _LATEST_SECOND) -> float | None:
    """Return a time as RFC 7519, 2 has it: seconds as a number. Raises ApiError; None: the token does not say."""
    value = claims.get(name)
    if type(value) is int and 0 <= value <= most:
        return value
    if name not in claims or (value is None and name != "exp"):
        return None
    # true is a number to Python, which also reads NaN and Infinity in JSON: these fail the comparison.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MOST_EXACT_INTEGER:
        raise api_error(ErrorCode.TOKEN_IS_INCORRECT, f"The token's {name} is not a unix time")
    if value > most:
        raise api_error(ErrorCode.TOKEN_IS_INCORRECT, f"The token's {name} is not in seconds, or after the year 9999")
    return value


def _check_secret(project: Project, secret: str | None) -> str:
    """Give the credential that a secret is."""
    if not secret:
        raise api_error(ErrorCode.API_SECRET_NOT_PROVIDED)
    matching = _matching(secret, project.secrets)
    if matching is None:
        raise api_error(ErrorCode.API_SECRET_IS_INCORRECT)
    return secret_id(project.secrets[matching])


def _check_hmac(project: Project, name: str, given: str) -> str:
    """Give the credential of an HMAC."""
    matching = _matching(given, (user_hmac(secret, name) for secret in project.secrets))
    if matching is None:
        raise api_error(ErrorCode.USER_HMAC_IS_INCORRECT)
    return secret_id(project.secrets[matching])


def _matching(given: str, expected: Iterable[str]) -> int | None:
    # Every candidate is compared, so that the time does not tell which one matched.
    matches = [hmac.compare_digest(given.encode(), one.encode()) for one in expected]
    return matches.index(True) if True in matches else None


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
