"""Credentials in headers (v1 contract), and the verification of API secrets and user HMACs.

Secrets are compared in constant time.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable

from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.principal import Credentials, Identity, Project, normalize_email
from gateway.domain.signing import secret_id

MAX_NAME_LENGTH = 255
"""The longest external id and email that the v1 contract allows, in characters."""


def header_credentials(header: Callable[[str], str | None]) -> Credentials:
    """Return the credentials in a request's headers. `header` returns the value of a header by its lower-case name."""
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
    """Decode a header value that was decoded as latin-1: browsers send latin-1, Go and Ruby clients send UTF-8."""
    try:
        return value.encode("latin-1").decode() if value else value
    except UnicodeError:
        return value


def read_identity(external_id: str | None, email: str | None) -> Identity:
    """Return the identity that a request names. Raises ApiError 401 without a name, 422 for a name that is too long."""
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


def proven_identity(credentials: Credentials) -> Identity:
    """Return the one name that an HMAC proves: the external id, or else the email. Raises ApiError as `read_identity`.

    The other header is unproven, so the two must not become one user.
    """
    identity = read_identity(credentials.external_id, credentials.email)
    return Identity(external_id=identity.external_id) if identity.external_id else identity


def user_hmac(secret: str, name: str) -> str:
    """Return the user HMAC of the v1 contract: base64(HMAC-SHA256(secret, external id or lower-case email))."""
    return base64.b64encode(hmac.digest(secret.encode(), name.encode(), hashlib.sha256)).decode()


def check_secret(project: Project, secret: str | None) -> str:
    """Verify an API secret and return its credential id. Raises ApiError."""
    if not secret:
        raise api_error(ErrorCode.API_SECRET_NOT_PROVIDED)
    matching = _matching(secret, project.secrets)
    if matching is None:
        raise api_error(ErrorCode.API_SECRET_IS_INCORRECT)
    return secret_id(project.secrets[matching])


def check_hmac(project: Project, name: str, given: str) -> str:
    """Verify the HMAC of a user's name and return the credential id of the secret that made it. Raises ApiError."""
    matching = _matching(given, (user_hmac(secret, name) for secret in project.secrets))
    if matching is None:
        raise api_error(ErrorCode.USER_HMAC_IS_INCORRECT)
    return secret_id(project.secrets[matching])


def _matching(given: str, expected: Iterable[str]) -> int | None:
    # All candidates are compared, so that the response time does not reveal which one matched.
    matches = [hmac.compare_digest(given.encode(), one.encode()) for one in expected]
    return matches.index(True) if True in matches else None
