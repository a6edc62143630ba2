"""A provider of OpenID Connect that signs in whoever comes as `person`, and that can be made to lie."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.stubs.http_stub import HttpStub, Received, Reply

CLIENT_ID, CLIENT_SECRET = "inbox", "secret+of/the client"

_RSA_KEYS = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
"""Generating one takes 50 ms."""


class SigningKey(NamedTuple):
    """A key of the provider."""

    kid: str
    algorithm: str
    private: Any

    @property
    def public(self) -> dict[str, Any]:
        """The key as it is published."""
        of = RSAAlgorithm if self.algorithm.startswith(("RS", "PS")) else ECAlgorithm
        return {**of.to_jwk(self.private.public_key(), as_dict=True), "kid": self.kid, "use": "sig"}


def rsa_key(kid: str, number: int = 0) -> SigningKey:
    """Return a key for RS256."""
    return SigningKey(kid, "RS256", _RSA_KEYS[number])


def ec_key(kid: str) -> SigningKey:
    """Return a key for ES256."""
    return SigningKey(kid, "ES256", ec.generate_private_key(ec.SECP256R1()))


class OidcStub(HttpStub):
    """The provider. `key` signs; `published` are the keys at `/jwks`.

    `claims` replace those of the next ID tokens, None removes one. `header` does the same with their header, and
    `forged` is a whole token in their place. `metadata`, `user_info` and `response` replace other parts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.key = rsa_key("one")
        self.published = [self.key.public]
        self.person: dict[str, Any] = {}
        self.user_info: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.response: dict[str, str] = {}
        self.be_honest()
        self.codes: dict[str, dict[str, str]] = {}
        self.sessions_begin_at = int(time.time()) - 3600
        self.asks_again = True

    def be_honest(self) -> None:
        """Replace nothing any more."""
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.forged = ""
        self.response = {}

    def count(self, path: str) -> int:
        """Return how many requests for a path there were."""
        return sum(urlsplit(each.path).path == path for each in self.requests)

    def reply(self, request: Received) -> Reply:
        """Return the response of an honest provider, with what the attributes replace."""
        url = urlsplit(request.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if url.path == "/.well-known/openid-configuration":
            return Reply(200, self._metadata())
        if url.path == "/jwks":
            return Reply(200, {"keys": self.published})
        if url.path == "/authorize":
            return self._authorize(query)
        if url.path == "/token":
            return self._token(request)
        if url.path == "/userinfo" and request.headers.get("authorization") == "Bearer an-access-token":
            return Reply(200, {"sub": self.person["sub"], **self.user_info})
        return Reply(404)

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize?tenant=1",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def _authorize(self, query: dict[str, str]) -> Reply:
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self.codes[code] = query
        response = {"code": code, "state": query["state"], "iss": self.url, **self.response}
        sent = {name: value for name, value in response.items() if value}
        return Reply(302, "", {"Location": f"{query['redirect_uri']}?{urlencode(sent)}"})

    def _token(self, request: Received) -> Reply:
        form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
        if _client(request.headers, form) != (CLIENT_ID, CLIENT_SECRET):
            return Reply(401, {"error": "invalid_client"})
        asked = self.codes.pop(form["code"], None)
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        is_right = asked is not None and asked["redirect_uri"] == form["redirect_uri"]
        if (
            asked is None
            or not is_right
            or asked["code_challenge"] != base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
        ):
            return Reply(400, {"error": "invalid_grant", "error_description": f"not this code: {form['code']}"})
        return Reply(
            200, {"access_token": "an-access-token", "token_type": "Bearer", "id_token": self._id_token(asked)}
        )

    def _id_token(self, asked: Mapping[str, str]) -> str:
        now = int(time.time())
        is_asked = self.asks_again and asked.get("prompt") == "login" and asked.get("max_age") == "0"
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "auth_time": now if is_asked else self.sessions_begin_at,
            **self.person,
            **self.claims,
        }
        sent = {name: value for name, value in claims.items() if value is not None}
        if self.forged:
            return self.forged
        header = {"kid": self.key.kid, **self.header}
        return jwt.encode(
            sent, self.key.private, self.key.algorithm, {name: text for name, text in header.items() if text}
        )


def _client(headers: Mapping[str, str], form: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        client_id, _, secret = base64.b64decode(value).decode().partition(":")
        return unquote_plus(client_id), unquote_plus(secret)
    return form.get("client_id", ""), form.get("client_secret", "")
