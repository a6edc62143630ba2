"""The provider of single sign-on, over real HTTP: what of its word is taken, and what is not."""

import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest

from gateway.auth.oidc import METADATA_SECONDS, Client, OidcProvider
from gateway.auth.sso import Identity, SsoError, SsoProblem
from gateway.auth.sso_state import PendingSignIn, begun
from gateway.domain.outbound import OPERATOR
from gateway.domain.sso_roles import SsoRoles, read_sso_roles
from gateway.runtime.outbound import OutboundHttp
from tests.stubs.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcStub, ec_key, rsa_key

REDIRECT_URI = "http://127.0.0.1/admin/api/sso/callback"
ADA = {"sub": "ada-1", "email": "ada@example.com", "email_verified": True, "name": "Ada", "groups": ["staff"]}
ROLES = read_sso_roles("groups:staff=viewer")


class Bench:
    """A provider, the gateway's client for it, and a browser. `now` is the time of the gateway."""

    def __init__(self, stub: OidcStub):
        self.stub = stub
        self.http = OutboundHttp(OPERATOR)
        self.now = time.time()
        self.provider = self.client()

    def client(self, issuer: str = "", roles: SsoRoles | None = ROLES) -> OidcProvider:
        """Return another client of the provider."""
        client = Client(issuer or self.stub.url, CLIENT_ID, CLIENT_SECRET, "openid email profile")
        return OidcProvider(client, roles, self.http, lambda: self.now)

    def begin(self, *, is_fresh: bool = False) -> PendingSignIn:
        """Return a sign-in that begins now."""
        return begun(int(self.now), "", is_fresh=is_fresh, admin_id="")

    async def authorize(self, pending: PendingSignIn) -> dict[str, str]:
        """Open the address at the provider, and return the query of where it leads."""
        address = await self.provider.address(pending, REDIRECT_URI)
        async with httpx.AsyncClient(timeout=30) as browser:
            response = await browser.get(address)
        return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}

    async def sign_in(self, *, is_fresh: bool = False) -> Identity:
        """Sign in as the person of the provider."""
        pending = self.begin(is_fresh=is_fresh)
        found = await self.authorize(pending)
        return await self.provider.identity(pending, found["code"], found.get("iss"), REDIRECT_URI)

    async def refused(self) -> SsoError:
        """Return why a sign-in is refused."""
        with pytest.raises(SsoError) as caught:
            await self.sign_in()
        assert "an-access-token" not in str(caught.value)
        assert CLIENT_SECRET not in str(caught.value)
        return caught.value


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with OidcStub() as stub:
        stub.person = dict(ADA)
        bench = Bench(stub)
        yield bench
        await bench.http.close()


async def test_the_address_has_state_nonce_and_challenge_and_asks_anew_if_it_must(bench: Bench) -> None:
    pending = bench.begin()
    address = urlsplit(await bench.provider.address(pending, REDIRECT_URI))
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    challenge = query.pop("code_challenge")
    assert len(challenge) == 43
    assert challenge != pending.verifier
    assert query == {
        "tenant": "1",
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "scope": "openid email profile",
        "state": pending.state,
        "nonce": pending.nonce,
        "code_challenge_method": "S256",
    }
    fresh = parse_qs(urlsplit(await bench.provider.address(bench.begin(is_fresh=True), REDIRECT_URI)).query)
    assert (fresh["prompt"], fresh["max_age"]) == (["login"], ["0"])


async def test_an_identity_is_what_the_verified_token_says(bench: Bench) -> None:
    found = await bench.sign_in()
    assert (found.stored, found.email, found.is_email_verified) == (f"{bench.stub.url} ada-1", "ada@example.com", True)
    assert (found.name, found.authenticated_at) == ("Ada", bench.stub.sessions_begin_at)
    assert (await bench.sign_in(is_fresh=True)).authenticated_at >= int(bench.now)
    assert bench.stub.count("/.well-known/openid-configuration") == 1, "its metadata is kept"


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
async def test_the_client_proves_itself_as_the_provider_supports(bench: Bench, method: str) -> None:
    bench.stub.metadata = {"token_endpoint_auth_methods_supported": [method]}
    assert (await bench.sign_in()).subject == "ada-1"


async def test_keys_of_both_kinds_are_accepted_and_read_again_after_a_rotation(bench: Bench) -> None:
    await bench.sign_in()
    assert bench.stub.count("/jwks") == 1
    for key in (ec_key("two"), rsa_key("three", 1), rsa_key("three", 0)):
        bench.stub.key = key
        bench.stub.published = [{"kty": "oct", "k": "c2VjcmV0"}, {"kty": "new"}, key.public]
        assert (await bench.sign_in()).subject == "ada-1"
    assert bench.stub.count("/jwks") == 4, "also when a key changed and not its id"
    bench.stub.published.insert(1, rsa_key("other", 1).public)
    bench.stub.header = {"kid": ""}
    assert (await bench.sign_in()).subject == "ada-1", "without an id, each key is tried"


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"iss": "https://evil.example.com"}, "another iss"),
    "another audience": ({"aud": "shop"}, "another aud"),
    "no audience": ({"aud": None}, "another aud"),
    "several audiences without azp": ({"aud": [CLIENT_ID, "shop"]}, "another azp"),
    "another azp": ({"aud": [CLIENT_ID, "shop"], "azp": "shop"}, "another azp"),
    "another nonce": ({"nonce": "replayed"}, "another nonce"),
    "no nonce": ({"nonce": None}, "another nonce"),
    "expired": ({"exp": int(time.time()) - 120}, "another exp"),
    "without an end": ({"exp": None}, "another exp"),
    "issued tomorrow": ({"iat": int(time.time()) + 86_400}, "another iat"),
    "without a time": ({"iat": None}, "another iat"),
    "of nobody": ({"sub": None}, "another sub"),
    "an empty subject": ({"sub": ""}, "another sub"),
    "a long subject": ({"sub": "s" * 256}, "another sub"),
    "a claim of another type": ({"at_hash": {"a": 1}}, "a claim of another type"),
    "of another access token": ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "another at_hash"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_token_that_is_not_for_this_sign_in_is_refused(bench: Bench, lie: str) -> None:
    bench.stub.claims, expected = LIES[lie]
    refused = await bench.refused()
    assert refused.problem is SsoProblem.NOT_VALID
    assert expected in refused.detail


async def test_a_signature_must_be_of_a_key_of_the_provider(bench: Bench) -> None:
    claims = {"iss": bench.stub.url, "aud": CLIENT_ID, "sub": "ada-1", "nonce": "n", "exp": 2**32, "iat": 1}
    forged = {
        "none": (jwt.encode(claims, "", "none"), "not signed with an allowed algorithm"),
        "the secret": (
            jwt.encode(claims, CLIENT_SECRET.ljust(32), "HS256", {"kid": "one"}),
            "not signed with an allowed algorithm",
        ),
        "another key": (jwt.encode(claims, rsa_key("x", 1).private, "RS256", {"kid": "one"}), "of no key"),
        "an unknown key": (jwt.encode(claims, ec_key("x").private, "ES256", {"kid": "x"}), "of no key"),
        "no token": ("no.token", "is none"),
    }
    for token, detail in forged.values():
        bench.stub.forged = token
        refused = await bench.refused()
        assert refused.problem is SsoProblem.NOT_VALID
        assert detail in refused.detail
        assert token not in str(refused)
    bench.stub.be_honest()
    bench.stub.published = [{**bench.stub.key.public, "use": "enc"}]
    bench.now += METADATA_SECONDS
    assert (await bench.refused()).detail.startswith("the signature"), "a key for encryption"


async def test_a_code_works_once_and_for_the_browser_that_began_alone(bench: Bench) -> None:
    pending = bench.begin()
    found = await bench.authorize(pending)
    assert (await bench.provider.identity(pending, found["code"], found["iss"], REDIRECT_URI)).subject == "ada-1"
    with pytest.raises(SsoError, match="refuses the code: invalid_grant") as replayed:
        await bench.provider.identity(pending, found["code"], found["iss"], REDIRECT_URI)
    assert found["code"] not in str(replayed.value)
    stolen = await bench.authorize(pending)
    with pytest.raises(SsoError, match="refuses the code"):
        await bench.provider.identity(bench.begin(), stolen["code"], stolen["iss"], REDIRECT_URI)


async def test_a_response_must_be_of_the_issuer(bench: Bench) -> None:
    for issuer in ("https://evil.example.com", ""):
        bench.stub.response = {"iss": issuer}
        refused = await bench.refused()
        assert (refused.problem, refused.detail) == (SsoProblem.NOT_VALID, "the response is of another issuer")
    bench.stub.metadata = {"authorization_response_iss_parameter_supported": False}
    bench.provider = bench.client()
    assert (await bench.sign_in()).subject == "ada-1", "older providers send none"


async def test_claims_that_the_token_lacks_come_from_the_userinfo_endpoint(bench: Bench) -> None:
    bench.stub.person = {"sub": "ada-1"}
    bench.stub.user_info = {"email": "ada@example.com", "email_verified": "true", "groups": ["staff"]}
    found = await bench.sign_in()
    assert (found.email, found.is_email_verified, found.claims["groups"]) == ("ada@example.com", True, ["staff"])
    bench.stub.user_info["sub"] = "eve-1"
    assert (await bench.refused()).detail == "the userinfo endpoint names another subject"
    bench.provider = bench.client(roles=None)
    bench.stub.person = {"sub": "ada-1", "email": "no address", "name": 5, "auth_time": None}
    found = await bench.sign_in()
    assert (found.email, found.name, found.authenticated_at) == ("", "", 0)


async def test_a_provider_that_fails_is_named_in_the_log_and_its_metadata_is_read_again(bench: Bench) -> None:
    bench.stub.metadata = {"issuer": "https://login.example.com"}
    assert (await bench.refused()).detail == "INBOX_OIDC_ISSUER is not what the provider says it is"
    bench.stub.metadata = {"jwks_uri": 5}
    assert "responds with something else" in (await bench.refused()).detail
    bench.stub.metadata = {"token_endpoint": f"{bench.stub.url}/gone"}
    assert (await bench.refused()).detail == "token endpoint responds with 404: "
    bench.stub.metadata = {}
    bench.now += METADATA_SECONDS
    bench.stub.claims = {"exp": int(bench.now) + 300}
    assert (await bench.sign_in()).subject == "ada-1"
    bench.provider = bench.client(issuer="http://127.0.0.1:1")
    refused = await bench.refused()
    assert (refused.problem, refused.detail) == (
        SsoProblem.PROVIDER_FAILED,
        "No connection to 127.0.0.1: it refuses connections",
    )


async def test_a_provider_elsewhere_must_have_tls_and_microsoft_says_otherwise_that_an_email_is_verified(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = "https://login.microsoftonline.com/tenant/v2.0"
    real = bench.http.request

    async def request(method: str, url: str, **more: Any) -> Any:
        return await real(method, url.replace(issuer, bench.stub.url).replace("https://stub", bench.stub.url), **more)

    monkeypatch.setattr(bench.http, "request", request)  # the machine has no such provider
    bench.provider = bench.client(issuer=issuer)
    bench.stub.metadata = {"issuer": issuer}
    assert (await bench.refused()).detail == "the provider has an endpoint without TLS"
    endpoints = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
    bench.stub.metadata |= {name: f"https://stub/{path}" for name, path in endpoints.items()}
    bench.stub.metadata |= {"userinfo_endpoint": "", "authorization_response_iss_parameter_supported": False}
    bench.stub.claims = {"iss": issuer, "email_verified": None, "xms_edov": True}
    pending = bench.begin()
    address = urlsplit(await bench.provider.address(pending, REDIRECT_URI))
    async with httpx.AsyncClient(timeout=30) as browser:
        response = await browser.get(f"{bench.stub.url}/authorize?{address.query}")
    code = parse_qs(urlsplit(response.headers["location"]).query)["code"][0]
    found = await bench.provider.identity(pending, code, None, REDIRECT_URI)
    assert found.is_email_verified
