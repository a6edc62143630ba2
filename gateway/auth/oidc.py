"""The provider of single sign-on: OpenID Connect with the authorization code flow and PKCE.

Requests go through the gateway's own HTTP client. Authlib and joserfc, which are an extra, do the rest: the addresses,
the challenge, and the verification of ID tokens. This module is imported where a provider is set.
"""

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote_plus

import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import extract_compact

from gateway.auth.sso import Identity, SsoError, SsoProblem
from gateway.auth.sso_state import PendingSignIn
from gateway.domain.outbound_errors import OutboundError
from gateway.domain.sso_roles import SsoRoles
from gateway.runtime.outbound import OutboundHttp, OutboundResponse

T = TypeVar("T")

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384")
"""Signatures of ID tokens: with a key pair alone, since the secret of the client shall prove nothing about people."""

MIN_RSA_BITS = 2048

METADATA_SECONDS = 3600
"""How long the addresses and the keys of the provider are used before they are read again."""

LEEWAY_SECONDS = 60
"""By how much the clocks of the provider and the gateway may differ."""

MICROSOFT = "https://login.microsoftonline.com/"
"""Its tokens have no `email_verified`. The claim `xms_edov` says that the owner of the email's domain is verified."""

_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class Metadata(msgspec.Struct, frozen=True):
    """What the provider publishes of itself (OpenID Connect Discovery, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class KeySet(msgspec.Struct, frozen=True):
    """The keys of the provider, as it publishes them."""

    keys: list[dict[str, Any]]


class Tokens(msgspec.Struct, frozen=True):
    """What the provider issues for a code."""

    id_token: str
    access_token: str = ""


class Client(msgspec.Struct, frozen=True):
    """The gateway at the provider: the settings. `is_local` is whether the provider may be called without TLS."""

    issuer: str
    client_id: str
    client_secret: str
    scopes: str

    @property
    def is_local(self) -> bool:
        """Whether the provider is on this machine, where it needs no TLS."""
        return self.issuer.startswith("http://")


class OidcProvider:
    """Begins and ends sign-ins. Methods raise SsoError."""

    def __init__(
        self, client: Client, roles: SsoRoles | None, http: OutboundHttp, unix: Callable[[], float] = time.time
    ):
        self._client = client
        self._claim = roles.claim if roles is not None else ""
        self._http = http
        self._unix = unix
        self._metadata: Metadata | None = None
        self._keys: KeySet | None = None
        self._read_at = 0.0

    async def address(self, pending: PendingSignIn, redirect_uri: str) -> str:
        """Return the address at the provider at which a sign-in begins."""
        metadata = await self._known()
        fresh = {"prompt": "login", "max_age": "0"} if pending.is_fresh else {}
        address: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            self._client.client_id,
            "code",
            redirect_uri,
            self._client.scopes,
            pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
            **fresh,
        )
        return address

    async def identity(self, pending: PendingSignIn, code: str, issuer: str | None, redirect_uri: str) -> Identity:
        """Exchange a code, and return whom the verified token names. `issuer` is the parameter `iss` (RFC 9207)."""
        metadata = await self._known()
        is_missing = issuer is None and metadata.authorization_response_iss_parameter_supported
        if is_missing or issuer not in (None, self._client.issuer):
            raise SsoError(SsoProblem.NOT_VALID, "the response is of another issuer")
        tokens = await self._exchange(metadata, pending, code, redirect_uri)
        claims = await self._verified(metadata, tokens, pending.nonce)
        claims = await self._with_user_info(metadata, tokens, claims)
        email, name = claims.get("email"), claims.get("name")
        is_verified = claims.get("email_verified")
        if is_verified is None and self._client.issuer.startswith(MICROSOFT):
            is_verified = claims.get("xms_edov") in (True, 1, "1", "true")
        authenticated_at = claims.get("auth_time")
        return Identity(
            issuer=self._client.issuer,
            subject=claims["sub"],
            email=email if isinstance(email, str) and "@" in email and len(email) <= 255 else "",
            is_email_verified=is_verified in (True, "true"),  # some providers send a text
            name=name[:255] if isinstance(name, str) else "",
            authenticated_at=int(authenticated_at) if isinstance(authenticated_at, (int, float)) else 0,
            claims=claims,
        )

    async def _exchange(self, metadata: Metadata, pending: PendingSignIn, code: str, redirect_uri: str) -> Tokens:
        client, headers = self._client, dict(_FORM)
        more = {}
        if "client_secret_post" in metadata.token_endpoint_auth_methods_supported:
            more = {"client_id": client.client_id, "client_secret": client.client_secret}
        else:
            pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"  # RFC 6749, 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        form: str = prepare_token_request(
            "authorization_code", "", redirect_uri, code=code, code_verifier=pending.verifier, **more
        )
        response = await self._request("POST", metadata.token_endpoint, headers, form.encode())
        if response.status == 400:
            raise SsoError(SsoProblem.NOT_VALID, f"the provider refuses the code: {_error_of(response)}")
        return self._decoded(response, Tokens, "token endpoint")

    async def _verified(self, metadata: Metadata, tokens: Tokens, nonce: str) -> dict[str, Any]:
        """Return the claims of the ID token (OpenID Connect Core, 3.1.3.7)."""
        token = self._opened(tokens.id_token)
        if token is None:  # the provider may have other keys by now
            self._keys = await self._get(metadata.jwks_uri, KeySet)
            token = self._opened(tokens.id_token)
        if token is None:
            raise SsoError(SsoProblem.NOT_VALID, "the signature of the token is of no key of the provider")
        client = self._client
        claims = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": client.issuer},
                "aud": {"essential": True, "value": client.client_id},
                "nonce": {"essential": True, "value": nonce},
            },
            {"nonce": nonce, "client_id": client.client_id, "access_token": tokens.access_token},
        )
        try:
            claims.validate(int(self._unix()), LEEWAY_SECONDS)
        except ClaimError as problem:
            raise SsoError(SsoProblem.NOT_VALID, f"the token has another {problem.claim}") from None
        except (JoseError, TypeError, ValueError):
            raise SsoError(SsoProblem.NOT_VALID, "the token has a claim of another type") from None
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise SsoError(SsoProblem.NOT_VALID, "the token has another sub")
        return dict(claims)

    def _opened(self, id_token: str) -> "jwt.Token | None":
        """Return a token whose signature is of one of the known keys, None if it is of none."""
        assert self._keys is not None
        try:
            header = extract_compact(id_token.encode()).headers()
        except (JoseError, ValueError):
            raise SsoError(SsoProblem.NOT_VALID, "the token is none") from None
        if header.get("alg") not in ALGORITHMS:
            raise SsoError(SsoProblem.NOT_VALID, "the token is not signed with an allowed algorithm")
        for stored in self._keys.keys:
            if "kid" in header and stored.get("kid", header["kid"]) != header["kid"]:
                continue
            if stored.get("use", "sig") != "sig" or stored.get("alg", header["alg"]) != header["alg"]:
                continue
            try:
                if (key := _key(stored)) is not None:
                    return jwt.decode(id_token, key, ALGORITHMS)
            except (JoseError, ValueError, TypeError):
                continue  # a key of another kind, or of another token
        return None

    async def _with_user_info(self, metadata: Metadata, tokens: Tokens, claims: dict[str, Any]) -> dict[str, Any]:
        """Return the claims with those that the provider tells elsewhere, as Okta does with groups."""
        needed = {"email", self._claim.partition(".")[0]} - {""}
        if needed <= claims.keys() or not metadata.userinfo_endpoint or not tokens.access_token:
            return claims
        headers = {"Authorization": f"Bearer {tokens.access_token}", "Accept": "application/json"}
        response = await self._request("GET", metadata.userinfo_endpoint, headers)
        found = self._decoded(response, dict[str, Any], "userinfo endpoint")
        if found.get("sub") != claims["sub"]:
            raise SsoError(SsoProblem.NOT_VALID, "the userinfo endpoint names another subject")
        return found | claims

    async def _known(self) -> Metadata:
        """Return the metadata, and have the keys. Those that were read before serve while the provider is down."""
        now = self._unix()
        if self._metadata is not None and now - self._read_at < METADATA_SECONDS:
            return self._metadata
        address = f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await self._get(address, Metadata)
        if found.issuer != self._client.issuer:
            raise SsoError(SsoProblem.PROVIDER_FAILED, "INBOX_OIDC_ISSUER is not what the provider says it is")
        endpoints = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint)
        if not self._client.is_local and any(each and not each.startswith("https://") for each in endpoints):
            raise SsoError(SsoProblem.PROVIDER_FAILED, "the provider has an endpoint without TLS")
        self._keys = await self._get(found.jwks_uri, KeySet)
        self._metadata, self._read_at = found, now
        return found

    async def _get(self, url: str, type_: type[T]) -> T:
        return self._decoded(await self._request("GET", url, {"Accept": "application/json"}), type_, url)

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> OutboundResponse:
        try:
            return await self._http.request(method, url, headers=headers, body=body)
        except OutboundError as problem:
            raise SsoError(SsoProblem.PROVIDER_FAILED, str(problem)) from None

    def _decoded(self, response: OutboundResponse, type_: type[T], what: str) -> T:
        if response.status != 200:
            raise SsoError(SsoProblem.PROVIDER_FAILED, f"{what} responds with {response.status}: {_error_of(response)}")
        try:
            return msgspec.json.decode(response.body, type=type_)
        except msgspec.DecodeError:
            raise SsoError(SsoProblem.PROVIDER_FAILED, f"{what} responds with something else") from None


def _key(stored: dict[str, Any]) -> ECKey | RSAKey | None:
    """Return a published key, None for one of a kind that ID tokens are not signed with. Raises JoseError."""
    if stored.get("kty") == "EC":
        return ECKey.import_key(stored)
    if stored.get("kty") != "RSA":
        return None
    key = RSAKey.import_key(stored)
    return key if key.public_key.key_size >= MIN_RSA_BITS else None


def _error_of(response: OutboundResponse) -> str:
    """Return the code of an error (RFC 6749, 5.2), and nothing else of the response: it may quote what was sent."""
    try:
        code = msgspec.json.decode(response.body, type=dict[str, Any]).get("error")
    except msgspec.DecodeError:
        return ""
    return code[:64] if isinstance(code, str) and code.replace("_", "").isalnum() else ""
