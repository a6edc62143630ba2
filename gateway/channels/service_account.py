"""Access tokens of Google for a service account (RFC 7523: a signed assertion for an access token).

A project chooses `token_uri`, so the request is checked as every address of a tenant.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import jwt
import msgspec

from gateway.channels.key_params import read_private_key
from gateway.channels.outcome import Misconfigured, Outcome, Retry
from gateway.channels.provider import Answer, Links
from gateway.channels.retry_after import retry_after
from gateway.domain.outbound_errors import NoAnswerError, OutboundRefusedError

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS = 3600
"""The longest life that Google allows."""

MARGIN_SECONDS = 120.0
"""How long before its end an access token is no longer used."""

_GOOGLE = ("https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token")
"""The endpoint of Google in the files of service accounts, and in those of older ones."""


class AccessTokens:
    """The access tokens of one service account. `memo` keeps them, so that all messages share one."""

    def __init__(self, config: Mapping[str, Any], scope: str, links: Links, base: str, memo: dict[str, Any]):
        self._config = config
        self._scope = scope
        self._links = links
        self._base = base
        self._memo = memo

    async def get(self, refused: str = "") -> str | Outcome:
        """Return an access token other than `refused`, or the outcome of messages that cannot have one.

        Raises NotSentError.
        """
        async with self._memo.setdefault("lock", asyncio.Lock()):
            token, ends_at = self._memo.get("token", ("", 0.0))
            if token and token != refused and self._links.now() < ends_at:
                return str(token)
            found = await self._request()
            if isinstance(found, tuple):
                self._memo["token"] = found
                return found[0]
            return found

    async def _request(self) -> tuple[str, float] | Outcome:
        now, assertion = self._links.now(), self._assertion()
        if not assertion:
            return Misconfigured("private_key is not an RSA private key")
        form = urlencode({"grant_type": GRANT_TYPE, "assertion": assertion}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        address, is_tenants = self._address()
        try:
            answer = await self._links.request("POST", address, headers=headers, body=form, tenants=is_tenants)
        except OutboundRefusedError as refusal:
            return Misconfigured(f"token_uri: {refusal}")
        except NoAnswerError:
            return Retry("token_uri: no answer")  # of the message itself, nothing was sent
        return _access_token(answer, now)

    def _address(self) -> tuple[str, bool]:
        """Return the token endpoint, and whether it is the tenant's own.

        If the operator replaces the provider's address, it replaces that of Google's endpoint too, and no other one.
        """
        uri = str(self._config["token_uri"])
        if self._base and uri in _GOOGLE:
            return f"{self._base}/token", False
        return uri, True

    def _assertion(self) -> str:
        """Return the assertion, "" if the key is none."""
        key, now = read_private_key(str(self._config["private_key"])), int(self._links.now())
        claims = {
            "iss": str(self._config["client_email"]),
            "scope": self._scope,
            "aud": str(self._config["token_uri"]),
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        try:
            return jwt.encode(claims, key, "RS256", {"kid": str(self._config["private_key_id"])})  # type: ignore[arg-type] # None raises
        except (jwt.PyJWTError, TypeError, ValueError):
            return ""


def _access_token(answer: Answer, now: float) -> tuple[str, float] | Outcome:
    """Return the token and when it must no longer be used, or an outcome (RFC 6749, 5.1 and 5.2)."""
    try:
        values = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        values = None
    values = values if isinstance(values, dict) else {}
    token, life = values.get("access_token"), values.get("expires_in", ASSERTION_SECONDS)
    if answer.status == 200 and isinstance(token, str) and token.isascii() and token.isprintable():
        life = life if isinstance(life, int | float) else ASSERTION_SECONDS
        return token, now + max(0.0, life - MARGIN_SECONDS)
    error = values.get("error")
    known = isinstance(error, str) and error.isascii() and len(error) <= 40 and error.replace("_", "").isalnum()
    reason = f"token_uri: {error if known else f'HTTP {answer.status}'}"
    if answer.status == 429 or answer.status >= 500:
        return Retry(reason, retry_after(answer.headers, now))
    return Misconfigured(reason)
