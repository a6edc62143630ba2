"""User tokens and project tokens (JWT, RFC 7519): how they are signed, read and verified.

A user token is signed by the project's backend with the API secret (HS256) or with a registered key pair (RS256 or
ES256), or is issued by the gateway. A project token is issued by the gateway alone. The key determines the algorithm
that a token is verified with; the `alg` in the token's header only selects among the keys.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jwt

from gateway.auth.credentials import read_identity
from gateway.auth.jwks import VerificationKey, verification_key
from gateway.domain.errors import ApiError, ErrorCode, api_error
from gateway.domain.ids import UserId
from gateway.domain.principal import Identity, Project, User
from gateway.domain.signing import SECRET_ALGORITHM, secret_id
from gateway.store.tokens import Token

USER_CLAIM = "inbox_user"
"""The claim with the user's id in tokens issued by the gateway. An id is never reused, whereas a name may be."""

PROJECT_CLAIM = "inbox_project"
"""The claim with the project's id in project tokens."""

USE_CLAIM = "inbox_use"
"""The claim of a token that is good for one operation alone: the `token_use` of its row."""

_MAX_EXACT_INTEGER = 2**53
"""JSON parsers disagree on larger integers (RFC 7493, 2.2), so a larger one is not accepted as a time."""

_LATEST_SECOND = 253_402_300_799
"""The end of the year 9999. A later time is most likely in milliseconds: such a token would never expire."""

MAX_ISSUED_AHEAD_SECONDS = 300
"""How far the signer's clock may be ahead of this one; 5 minutes is the default of Kerberos.

A later `iat` is treated as missing: such a token would outlast every revocation.
"""

_JWS = jwt.PyJWS()

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""JSON can escape half of a surrogate pair. UTF-8 cannot encode it, so no project and no user has such a name."""


def user_token(project: Project, identity: Identity, issued_at: int, expires_at: int) -> str:
    """Return a user token as a project's backend would sign it. The times are unix seconds."""
    claims: dict[str, Any] = {"api_key": project.api_key, "iat": issued_at, "exp": expires_at}
    if identity.external_id:
        claims["user_external_id"] = identity.external_id
    if identity.email:
        claims["user_email"] = identity.email
    return jwt.encode(claims, project.secrets[0], algorithm=SECRET_ALGORITHM)


def issued_token(project: Project, owner: User | None, token: Token) -> str:
    """Return the signed token of a user, or of the project if `owner` is None.

    Every call returns the same token until the project's newest secret changes.
    """
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


def limited_token(project: Project, user: User, use: str, issued_at: int, expires_at: int) -> str:
    """Return a token of a user that is accepted by the operations with this `token_use` alone. It is not stored."""
    claims = {"api_key": project.api_key, "iat": issued_at, "exp": expires_at, USER_CLAIM: user.id, USE_CLAIM: use}
    secret = project.secrets[0]
    return jwt.encode(claims, secret, algorithm=SECRET_ALGORITHM, headers={"kid": secret_id(secret)})


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """The claims of a token whose signature and times have been verified. Times are unix seconds."""

    credential: str
    """The credential id of the secret or key that signed the token."""
    expires_at: int
    issued_at: int | None
    """`iat`; None if it is missing or in the future."""
    claims: Mapping[str, Any]
    """All claims. The properties check those that name something only where it is needed: a call that refuses a token
    of this kind refuses it whatever else its claims are."""

    @property
    def token_id(self) -> str:
        """`jti`, "" if missing. Raises ApiError if it is not a string."""
        return _text(self.claims, "jti") or ""

    @property
    def user_id(self) -> UserId | None:
        """The user of a token that the gateway issued. Raises ApiError if the claim is not a string."""
        user_id = _text(self.claims, USER_CLAIM)
        return UserId(user_id) if user_id else None

    @property
    def project_id(self) -> Any:
        """The claim of a project token, None in a user token. Not verified: a backend can sign any value."""
        return self.claims.get(PROJECT_CLAIM)

    def check_use(self, use: str) -> None:
        """Raise ApiError if the token is for one operation alone, and this is another. `use` is that of its row."""
        if self.claims.get(USE_CLAIM) not in (None, use):
            raise api_error(ErrorCode.FORBIDDEN, "The token is for another operation")

    def identity(self) -> Identity:
        """Return the user that the claims name. Raises ApiError if they name none."""
        external_id, email = _text(self.claims, "user_external_id"), _text(self.claims, "user_email")
        if not external_id and not email:
            raise _incorrect("The token names no user_external_id and no user_email")
        return read_identity(external_id, email)


class UnverifiedToken:
    """A parsed token, whose claims prove nothing until `verified` returns. Raises ApiError if `text` is not a JWT."""

    def __init__(self, text: str):
        try:
            # PyJWT's `decode` would parse the token again for every key that is tried, so only its parser is used.
            parts = _JWS.decode_complete(text, options={"verify_signature": False})
            claims = json.loads(parts["payload"])
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise _incorrect() from None
        # RFC 7515, 4.1.11: extensions listed as critical must be understood, and none is supported.
        if not isinstance(claims, dict) or "crit" in parts["header"]:
            raise _incorrect()
        self._header: dict[str, Any] = parts["header"]
        self._claims: dict[str, Any] = claims
        self._signed = text.encode().rpartition(b".")[0]
        self._signature: bytes = parts["signature"]
        self.api_key = _text(claims, "api_key")

    def verified(self, project: Project, now: float) -> VerifiedToken:
        """Verify the signature with the project's keys, and the times at `now` (unix seconds). Raises ApiError."""
        for key in _signing_keys(project, self._header):
            if self._is_signed_by(key):
                return self._checked(key.credential, now)
        raise _incorrect()

    def _is_signed_by(self, key: "_SigningKey") -> bool:
        if self._header.get("alg") != key.algorithm:
            return False
        if isinstance(key.material, str):
            expected = hmac.digest(key.material.encode(), self._signed, hashlib.sha256)
            return hmac.compare_digest(expected, self._signature)
        return jwt.get_algorithm_by_name(key.algorithm).verify(self._signed, key.material, self._signature)

    def _checked(self, credential: str, now: float) -> VerifiedToken:
        claims = self._claims
        expires_at, not_before = _time(claims, "exp"), _time(claims, "nbf")
        issued_at = _time(claims, "iat", most=_MAX_EXACT_INTEGER)
        if expires_at is None:
            raise _incorrect("The token's exp is missing")
        if not_before is not None and not_before > now:
            raise _incorrect("The token's nbf is in the future: it does not count yet")
        if expires_at <= now:
            raise api_error(ErrorCode.TOKEN_EXPIRED)
        if issued_at is not None and issued_at > now + MAX_ISSUED_AHEAD_SECONDS:
            issued_at = None
        return VerifiedToken(credential, int(expires_at), None if issued_at is None else int(issued_at), claims)


class _SigningKey(NamedTuple):
    """A secret or public key that may have signed a token, the only algorithm it accepts, and its credential id."""

    material: str | VerificationKey
    algorithm: str
    credential: str


def _signing_keys(project: Project, header: Mapping[str, Any]) -> Iterator[_SigningKey]:
    """Yield the keys that may have signed a token: those with its `kid`, or without `kid` those for its `alg`."""
    kid, claimed = header.get("kid"), header.get("alg")
    if kid is not None or claimed == SECRET_ALGORITHM:
        for secret in project.secrets:
            credential = secret_id(secret)
            if kid in (None, credential):
                yield _SigningKey(secret, SECRET_ALGORITHM, credential)
    for key in project.public_keys:
        if kid == key.id or (kid is None and claimed == key.algorithm):
            yield _SigningKey(verification_key(key), key.algorithm, key.credential_id)


def _time(claims: Mapping[str, Any], name: str, most: float = _LATEST_SECOND) -> float | None:
    """Return a NumericDate claim (RFC 7519, 2) in unix seconds, None if it is missing. Raises ApiError."""
    value = claims.get(name)
    if type(value) is int and 0 <= value <= most:
        return value
    if name not in claims or (value is None and name != "exp"):
        return None
    # bool is a subclass of int. Python's parser also accepts NaN and Infinity, for which the comparison is false.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MAX_EXACT_INTEGER:
        raise _incorrect(f"The token's {name} is not a unix time")
    if value > most:
        raise _incorrect(f"The token's {name} is not in seconds, or after the year 9999")
    return value


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or _LONE_SURROGATE.search(value):
        raise _incorrect(f"The token's {name} is not a string")
    return value


def _incorrect(message: str = "") -> ApiError:
    return api_error(ErrorCode.TOKEN_IS_INCORRECT, message)
