"""Sign-in by a provider of single sign-on, from the button on the login page to the session."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.api.admin.admins import PASSWORD, SAME_ORIGIN, create_admin, owner_headers
from tests.servers import Gateway, running_gateway
from tests.stubs.http_stub import Reply
from tests.stubs.in_thread import in_thread
from tests.stubs.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcStub

API = "/admin/api"
CALLBACK = "get_admin_api_sso_callback"


@dataclass
class Site:
    """A gateway and its provider."""

    gateway: Gateway
    stub: OidcStub
    addresses: int = 0

    def person(self, *groups: str, **claims: Any) -> dict[str, Any]:
        """Have somebody new at the provider, and return the claims."""
        name = uuid4().hex[:8]
        found = {"sub": f"id-{name}", "email": f"{name}@example.com", "email_verified": True, "name": "Ada"}
        self.stub.be_honest()
        self.stub.person = {**found, "groups": list(groups), **claims}
        return self.stub.person

    def browser(self) -> httpx.Client:
        """Return a browser at an address of its own. Failed tries are limited by address."""
        self.addresses += 1
        headers = {"X-Forwarded-For": f"198.51.100.{self.addresses}"}
        return httpx.Client(base_url=self.gateway.url + API, headers=headers, timeout=30)

    def authorize(self, browser: httpx.Client, **query: str) -> str:
        """Begin a sign-in, sign in at the provider, and return the address to which it leads."""
        start = browser.get("/sso/start", params=query)
        assert start.status_code == 303, start.text
        assert start.headers["cache-control"] == "no-store"
        return str(httpx.get(start.headers["location"], timeout=30).headers["location"])

    def sign_in(self, browser: httpx.Client, **query: str) -> httpx.Response:
        """Sign in, and return the response that begins the session."""
        return browser.get(self.authorize(browser, **query))

    def problem(self, browser: httpx.Client | None = None, **query: str) -> str:
        """Return the problem with which a sign-in ends, and check that there is no session."""
        if browser is None:
            with self.browser() as browser:
                return self.problem(browser, **query)
        before = browser.cookies.get("inbox_admin")
        response = self.sign_in(browser, **query)
        assert browser.cookies.get("inbox_admin") == before
        return problem_of(response)

    def entries(self, actor: str = "") -> list[dict[str, Any]]:
        """Return the entries of the audit log, the newest first."""
        query = {"action": CALLBACK, **({"actor": actor} if actor else {})}
        found = httpx.get(f"{self.gateway.url}{API}/audit", params=query, headers=owner_headers(self.gateway))
        return list(found.json()["data"])


def problem_of(response: httpx.Response) -> str:
    """Return the problem in the address of the login page to which a response leads."""
    address = urlsplit(response.headers["location"])
    assert (response.status_code, address.path) == (303, "/admin/login")
    return parse_qs(address.query)["problem"][0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("sso")
    secret = directory / "secret"
    secret.write_text(f"{CLIENT_SECRET}\n")
    with in_thread(OidcStub()) as stub:
        environment = {
            "INBOX_OIDC_ISSUER": stub.url,
            "INBOX_OIDC_CLIENT_ID": CLIENT_ID,
            "INBOX_OIDC_CLIENT_SECRET_FILE": str(secret),
            "INBOX_OIDC_NAME": "Example ID",
            "INBOX_OIDC_ROLES": "groups:owners=owner,editors=editor,viewers=viewer,shop=admin@1",
        }
        with running_gateway(directory / "data", **environment) as gateway:
            site = Site(gateway, stub)
            owner_headers(gateway)  # an owner by the command line
            yield site
    assert CLIENT_SECRET not in gateway.log
    assert "an-access-token" not in gateway.log


def test_somebody_with_a_group_gets_an_account_and_a_session(site: Site) -> None:
    person = site.person("viewers", "shop", "others")
    with site.browser() as browser:
        assert browser.get("/entry").json()["sso"] == "Example ID"
        asked = {"return": "projects/5/users?query=a%20b"}
        start = browser.get("/sso/start", params=asked)
        remembered = start.headers["set-cookie"]
        assert remembered.startswith("inbox_sso=")
        assert remembered.endswith("; Max-Age=600; Path=/; HttpOnly; SameSite=Lax")
        response = site.sign_in(browser, **asked)
        assert response.headers["location"] == f"{site.gateway.url}/admin/projects/5/users?query=a%20b"
        assert "inbox_sso" not in browser.cookies, "it is forgotten"
        me = browser.get("/me").json()
        assert (me["admin"]["email"], me["admin"]["name"]) == (person["email"], "Ada")
        assert me["admin"]["roles"] == {"*": "viewer", "1": "admin"}
        assert (me["admin"]["has_password"], me["admin"]["has_sso"], me["confirmed_until"]) == (False, True, 0)
        (entry,) = site.entries(person["email"])
        assert (entry["outcome"], entry["session_id"]) == ("done", me["session_id"])
        proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "inbox.example.com"}
        secure = browser.get("/sso/start", headers=proxied)
        assert secure.headers["set-cookie"].startswith("__Host-inbox_sso=")
        assert "; Secure; HttpOnly; SameSite=Lax" in secure.headers["set-cookie"]
        query = parse_qs(urlsplit(secure.headers["location"]).query)
        assert query["redirect_uri"] == [f"https://inbox.example.com{API}/sso/callback"]
        plain = browser.get("/sso/start", headers={"Host": "inbox.example.com"})
        assert problem_of(plain) == "needs_https"


def test_other_groups_change_the_role_and_end_other_sessions(site: Site) -> None:
    person = site.person("viewers")
    with site.browser() as one, site.browser() as other:
        site.sign_in(one)
        site.sign_in(other)
        assert one.get("/me").status_code == 200, "the roles are the same"
        site.stub.person = person | {"groups": ["editors"], "email": "another@example.com", "email_verified": False}
        before = other.cookies["inbox_admin"]
        site.sign_in(other)
        assert other.cookies["inbox_admin"] != before, "each sign-in begins another session"
        me = other.get("/me").json()
        assert (me["role"], me["admin"]["email"]) == ("editor", person["email"]), "the subject is who it is"
        assert one.get("/me").status_code == 401
        site.stub.person = person | {"groups": ["others"]}
        assert site.problem() == "sso_no_role"
        assert site.entries(person["email"])[0]["error"] == "sso_no_role"


def test_an_invited_admin_is_found_by_a_verified_email_and_bound_to_the_subject(site: Site) -> None:
    person = site.person("editors", email_verified=False)
    create_admin(site.gateway, person["email"], "--role", "viewer")
    assert site.problem() == "sso_email_not_verified"
    site.stub.person |= {"email": None, "email_verified": True}
    assert site.problem() == "sso_email_not_verified"
    site.stub.person["email"] = person["email"] = site.entries()[1]["actor"]
    with site.browser() as browser:
        site.sign_in(browser)
        assert browser.get("/me").json()["role"] == "editor"
        assert browser.post("/confirm", headers=SAME_ORIGIN, json={"password": PASSWORD}).status_code == 200
    site.stub.person["sub"] = "somebody-else"
    assert site.problem() == "sso_other_account", "the address was given to another person"


def test_a_fresh_sign_in_confirms_as_the_password_does(site: Site) -> None:
    person = site.person("owners")
    with site.browser() as browser:
        site.sign_in(browser)
        given = {"email": f"{uuid4().hex[:8]}@example.com", "roles": {"*": "viewer"}}
        refused = browser.post("/admins", headers=SAME_ORIGIN, json=given)
        assert refused.json()["errors"][0]["code"] == "confirmation_required"
        site.stub.asks_again = False
        assert site.problem(browser, confirm="true") == "sso_not_recent"
        site.stub.asks_again = True
        site.person("owners")
        assert site.problem(browser, confirm="true") == "sso_other_account", "somebody else may not confirm"
        site.stub.person = person
        before = browser.cookies["inbox_admin"]
        back = site.sign_in(browser, confirm="true", **{"return": "settings/admins"})
        assert back.headers["location"] == f"{site.gateway.url}/admin/settings/admins"
        assert browser.post("/admins", headers=SAME_ORIGIN, json=given).status_code == 201
        former = {"Cookie": f"inbox_admin={before}"}
        assert httpx.get(f"{site.gateway.url}{API}/me", headers=former).status_code == 401


def test_a_sign_in_belongs_to_the_browser_that_began_it_and_a_code_to_one_sign_in(site: Site) -> None:
    site.person("viewers")
    with site.browser() as browser, site.browser() as victim:
        address = site.authorize(browser)
        assert problem_of(victim.get(address)) == "sso_not_begun", "no cookie"
        site.authorize(victim)
        assert problem_of(victim.get(address)) == "sso_not_begun", "the cookie of another sign-in"
        cookie = browser.cookies["inbox_sso"]
        assert browser.get(address).headers["location"] == f"{site.gateway.url}/admin/"
        again = victim.get(address, headers={"Cookie": f"inbox_sso={cookie}"})
        assert problem_of(again) == "sso_not_valid", "the code was used"
        refused = site.authorize(victim).replace("code=", "error=access_denied&error_description=")
        assert problem_of(victim.get(refused)) == "sso_denied"
        assert victim.get("/me").status_code == 401
    errors = [entry["error"] for entry in site.entries()]
    assert {"sso_not_begun", "sso_not_valid", "sso_denied"} <= set(errors)


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({"nonce": "replayed"}, {}),
        ({"aud": "another-client"}, {}),
        ({"iss": "https://evil.example.com"}, {}),
        ({"exp": 1_700_000_000}, {}),
        ({}, {"kid": "unknown"}),
    ],
    ids=str,
)
def test_a_token_that_is_not_for_this_sign_in_begins_no_session(
    site: Site, claims: dict[str, Any], header: dict[str, str]
) -> None:
    site.person("viewers")
    site.stub.claims, site.stub.header = claims, header
    assert site.problem() == "sso_not_valid"


def test_a_response_of_another_issuer_and_a_token_without_a_signature_begin_no_session(site: Site) -> None:
    site.person("viewers")
    site.stub.response = {"iss": "https://evil.example.com"}
    assert site.problem() == "sso_not_valid"
    site.person("viewers")
    site.stub.forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJpZCJ9."
    assert site.problem() == "sso_not_valid"
    assert site.stub.forged not in site.gateway.log
    assert site.stub.forged not in str(site.entries())


def test_after_five_failed_tries_an_address_waits_and_a_failing_provider_is_said_to_fail(site: Site) -> None:
    site.person("viewers")
    with site.browser() as browser:
        address = site.authorize(browser)
        site.stub.faults.append(Reply(500, "secret details"))
        assert problem_of(browser.get(address)) == "sso_provider_failed"
        assert "secret details" not in site.gateway.log
        site.stub.claims = {"nonce": "replayed"}
        assert [site.problem(browser) for _ in range(4)] == ["sso_not_valid"] * 4
        site.stub.be_honest()
        assert site.problem(browser) == "too_many_tries"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example.com",
        "//evil.example.com",
        "/evil",
        "\\\\evil.example.com",
        "javascript:alert(1)",
        "projects/../../evil",
        "a" * 1001,
        "projects\r\nSet-Cookie: a=b",
    ],
)
def test_a_sign_in_leads_into_the_dashboard_alone(site: Site, address: str) -> None:
    with site.browser() as browser:
        refused = browser.get("/sso/start", params={"return": address})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["message"].startswith("Param 'return' must")


def test_without_a_provider_there_is_no_single_sign_on(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.url}{API}/entry").json()["sso"] == ""
    for path in ("start", "callback?code=a&state=b"):
        assert httpx.get(f"{gateway.url}{API}/sso/{path}").status_code == 404
