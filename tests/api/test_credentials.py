"""Credentials: project keys and secrets, user HMACs, user tokens, and what each allows."""

import hashlib
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.api.core.call import PUBLIC, WORKSPACE
from gateway.api.core.operation import AnyOperation
from gateway.api.operations import OPERATIONS
from gateway.auth.credentials import user_hmac as our_user_hmac
from tests.api.inbox import Inbox, code, email_headers, messages, notification, send
from tests.api.projects import API_KEY_HEADER as KEY
from tests.api.projects import API_SECRET_HEADER as SECRET
from tests.api.projects import Project, command, project_of
from tests.api.tokens import bearer, claims_of, encoded, token
from tests.servers import ADMIN, API_KEY, API_SECRET, Gateway, user_headers, user_hmac

EXTERNAL_ID, EMAIL, HMAC = (f"X-MAGICBELL-{name}" for name in ("USER-EXTERNAL-ID", "USER-EMAIL", "USER-HMAC"))
CHECK_SECRET, CHECK_EMAIL = "SECRET", "joe@example.com"
CHECK_HMAC = "PbCcNyzZcGakM8Jjp+4YLhEkI5Q6sVNXEd3ZekeAb3o="
"""The v1 contract's check value."""


def on_the_wire(headers: Mapping[str, str], encoding: str = "latin-1") -> list[tuple[bytes, bytes]]:
    """Encode headers with non-ASCII values."""
    return [(name.encode(), value.encode(encoding)) for name, value in headers.items()]


async def test_the_error_of_a_wrong_secret_has_a_suggestion_and_a_help_link(http: httpx.AsyncClient) -> None:
    response = await http.get("/broadcasts", headers={KEY: API_KEY, SECRET: "wrong"})
    (problem,) = response.json()["errors"]
    assert "rotate-secret" in problem["suggestion"]
    assert problem["help_link"] == f"{http.base_url}/docs#credential-ApiSecret".replace("//docs", "/docs")


async def test_a_help_link_is_below_the_path_of_a_proxy(http: httpx.AsyncClient) -> None:
    proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example", "X-Forwarded-Prefix": "/inbox"}
    response = await http.get("/broadcasts", headers={KEY: API_KEY, SECRET: "wrong"} | proxied)
    (problem,) = response.json()["errors"]
    assert problem["help_link"] == "https://a.example/inbox/docs#credential-ApiSecret"


# ---- projects of our own


@pytest.fixture(scope="module")
def check_project(gateway: Gateway) -> Project:
    """A project with the secret of the contract's check value."""
    command(
        gateway,
        "prepare",
        INBOX_SECRET_KEY=(gateway.data_dir / "secret.key").read_text().strip(),
        INBOX_BOOTSTRAP_API_KEY="check",
        INBOX_BOOTSTRAP_API_SECRET=CHECK_SECRET,
        INBOX_BOOTSTRAP_HMAC_ENABLED="true",
    )
    return Project("check", CHECK_SECRET)


@pytest.fixture(scope="module")
def open_project(gateway: Gateway) -> Project:
    """A project without HMAC."""
    return project_of(command(gateway, "project", "create", "open", "--no-hmac"))


@pytest.fixture(scope="module")
def rotated(gateway: Gateway) -> tuple[Project, Project]:
    """A project with its old secret and with its new one, while both are valid."""
    old = project_of(command(gateway, "project", "create", "rotated"))
    return old, project_of(command(gateway, "project", "rotate-secret", old.api_key))


@pytest.fixture(scope="module")
def replaced(gateway: Gateway) -> Project:
    """A project with a secret that was rotated away without overlap."""
    old = project_of(command(gateway, "project", "create", "replaced"))
    command(gateway, "project", "rotate-secret", old.api_key, "--overlap", "0")
    return old


# ---- no credentials at all


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.caller is not PUBLIC],
    ids=lambda operation: f"{operation.method} {operation.path}",
)
async def test_a_call_without_any_credentials_returns_404_but_v2_config_and_admins_401_and_workspaces_403(
    http: httpx.AsyncClient, operation: AnyOperation
) -> None:
    response = await http.request(operation.method, operation.path.replace("{id}", "42"))
    is_v2 = operation.path.startswith("/v2/")
    expected = (401, "api_key_not_provided") if is_v2 or operation.path == "/config" else (404, "not_found")
    if operation.caller is WORKSPACE:
        expected = (403, "forbidden")
    elif operation.path.startswith("/admin/"):
        expected = (401, "session_needed")
    assert (response.status_code, code(response)) == expected


@pytest.mark.parametrize("authorization", ["Basic YTpi", "Bearer", ""])
async def test_an_authorization_header_without_a_token_is_not_a_credential(
    http: httpx.AsyncClient, authorization: str
) -> None:
    response = await http.get("/notifications", headers={"Authorization": authorization})
    assert response.status_code == 404


# ---- wrong credentials

USER = {EXTERNAL_ID: "ada", HMAC: user_hmac("ada")}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({SECRET: API_SECRET}, "api_key_not_provided"),
        ({KEY: "", SECRET: API_SECRET}, "api_key_not_provided"),
        ({KEY: "wrong", SECRET: API_SECRET}, "incorrect_api_key"),
        ({KEY: API_KEY.upper(), SECRET: API_SECRET}, "incorrect_api_key"),
        ({KEY: API_KEY}, "api_secret_not_provided"),
        ({KEY: API_KEY, SECRET: ""}, "api_secret_not_provided"),
        ({KEY: API_KEY, **USER}, "api_secret_not_provided"),
        ({KEY: API_KEY, SECRET: "wrong"}, "api_secret_is_incorrect"),
        ({KEY: API_KEY, SECRET: API_SECRET[:-1]}, "api_secret_is_incorrect"),
        ({KEY: API_KEY, SECRET: "é"}, "api_secret_is_incorrect"),
    ],
)
async def test_an_admin_call_with_wrong_credentials_has_the_code_of_the_fault(
    http: httpx.AsyncClient, headers: Mapping[str, str], expected: str
) -> None:
    response = await http.post("/notifications", headers=on_the_wire(headers), json=notification("ada"))
    assert (response.status_code, code(response)) == (401, expected)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (USER, "api_key_not_provided"),
        (USER | {KEY: "wrong"}, "incorrect_api_key"),
        ({KEY: API_KEY}, "user_email_not_provided"),
        ({KEY: API_KEY, EMAIL: "", EXTERNAL_ID: "", HMAC: "x"}, "user_email_not_provided"),
        ({KEY: API_KEY, SECRET: API_SECRET}, "user_email_not_provided"),
        ({KEY: API_KEY, EXTERNAL_ID: "ada"}, "neither_user_hmac_nor_api_secret_provided"),
        ({KEY: API_KEY, EMAIL: "ada@x.y"}, "neither_user_hmac_nor_api_secret_provided"),
        (USER | {KEY: API_KEY, HMAC: ""}, "neither_user_hmac_nor_api_secret_provided"),
        (USER | {KEY: API_KEY, HMAC: "wrong"}, "user_hmac_is_incorrect"),
        (USER | {KEY: API_KEY, HMAC: "é"}, "user_hmac_is_incorrect"),
        (USER | {KEY: API_KEY, HMAC: user_hmac("ada").rstrip("=")}, "user_hmac_is_incorrect"),
        (USER | {KEY: API_KEY, HMAC: user_hmac("ada", "other secret")}, "user_hmac_is_incorrect"),
        (USER | {KEY: API_KEY, EXTERNAL_ID: "bob"}, "user_hmac_is_incorrect"),
        (USER | {KEY: API_KEY, EXTERNAL_ID: "Ada"}, "user_hmac_is_incorrect"),
        (USER | {KEY: API_KEY, SECRET: "wrong"}, "api_secret_is_incorrect"),
    ],
)
async def test_a_user_call_with_wrong_credentials_has_the_code_of_the_fault(
    http: httpx.AsyncClient, headers: Mapping[str, str], expected: str
) -> None:
    response = await http.get("/notifications", headers=on_the_wire(headers))
    assert (response.status_code, code(response)) == (401, expected)


@pytest.mark.parametrize(("name", "header"), [("external_id", EXTERNAL_ID), ("email", EMAIL)])
async def test_a_name_longer_than_255_characters_is_refused_by_name(
    http: httpx.AsyncClient, name: str, header: str
) -> None:
    response = await http.get("/notifications", headers=ADMIN | {header: "x" * 256})
    assert response.status_code == 422
    assert messages(response) == [f"Param '{name}' must have at most 255 characters"]


# ---- HMACs and the secret


def test_the_hmac_is_that_of_the_contract() -> None:
    assert our_user_hmac(CHECK_SECRET, CHECK_EMAIL) == user_hmac(CHECK_EMAIL, CHECK_SECRET) == CHECK_HMAC


@pytest.mark.parametrize("email", [CHECK_EMAIL, "Joe@Example.COM"])
async def test_the_contracts_check_value_opens_the_inbox_of_that_email(
    http: httpx.AsyncClient, check_project: Project, email: str
) -> None:
    headers = {KEY: check_project.api_key, EMAIL: email, HMAC: CHECK_HMAC}
    assert (await http.get("/notifications", headers=headers)).status_code == 200


async def test_the_external_id_takes_precedence_over_the_email(inbox: Inbox) -> None:
    email = f"{inbox.external_id}@example.com".lower()
    await inbox.receive("to the external id")
    await send(inbox.http, notification(title="to the email", recipients=[{"email": email}]))
    assert await inbox.titles() == ["to the external id"]
    both = await inbox.request("GET", "/notifications", headers={EMAIL: email})
    assert [item["title"] for item in both.json()["notifications"]] == ["to the external id"]
    by_email = await inbox.request("GET", "/notifications", headers={EMAIL: email, HMAC: user_hmac(email)})
    assert code(by_email) == "user_hmac_is_incorrect"


async def test_an_email_that_the_hmac_does_not_prove_is_not_linked_to_the_user(inbox: Inbox) -> None:
    email = f"{inbox.external_id}@example.com".lower()
    await inbox.request("GET", "/notifications", headers={EMAIL: email})
    await send(inbox.http, notification(title="to the email", recipients=[{"email": email}]))
    assert await inbox.titles() == []


@pytest.mark.parametrize("name", [EXTERNAL_ID, EMAIL])
async def test_the_secret_with_a_users_name_acts_for_the_user(http: httpx.AsyncClient, user: str, name: str) -> None:
    named = {EXTERNAL_ID: user, EMAIL: f"{user}@x.y"}
    body = notification(recipients=[{"external_id": user, "email": f"{user}@x.y"}])
    item = (await send(http, body)).json()["notification"]["id"]
    headers = ADMIN | {name: named[name]}
    assert (await http.post(f"/notifications/{item}/read", headers=headers)).status_code == 204
    assert (await http.get("/notifications", headers=headers)).json()["unread_count"] == 0


async def test_a_project_without_hmac_accepts_a_users_name_alone(
    http: httpx.AsyncClient, open_project: Project
) -> None:
    await http.post("/notifications", headers=open_project.admin, json=notification("ada"))
    headers = {KEY: open_project.api_key, EXTERNAL_ID: "ada"}
    assert (await http.get("/notifications", headers=headers)).json()["total"] == 1


async def test_a_project_without_hmac_still_refuses_a_wrong_one(http: httpx.AsyncClient, open_project: Project) -> None:
    headers = {KEY: open_project.api_key, EXTERNAL_ID: "ada", HMAC: "wrong"}
    assert code(await http.get("/notifications", headers=headers)) == "user_hmac_is_incorrect"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_non_ascii_name_may_be_sent_as_utf_8_or_latin_1(inbox: Inbox, encoding: str) -> None:
    name = f"Zoë-{inbox.external_id}"
    await Inbox(inbox.http, name).receive()
    headers = on_the_wire(user_headers(name), encoding)
    assert (await inbox.http.get("/notifications", headers=headers)).json()["total"] == 1


@pytest.mark.parametrize("which", [0, 1], ids=["old", "new"])
async def test_both_secrets_are_valid_after_a_rotation_with_overlap(
    http: httpx.AsyncClient, rotated: tuple[Project, Project], which: int
) -> None:
    key, secret = rotated[which].api_key, rotated[which].api_secret
    for headers in (
        {SECRET: secret, EXTERNAL_ID: "ada"},
        {EXTERNAL_ID: "ada", HMAC: user_hmac("ada", secret)},
        bearer(token(claims_of("ada", api_key=key), secret)),
    ):
        assert (await http.get("/notifications", headers={KEY: key} | headers)).status_code == 200


async def test_a_secret_rotated_without_overlap_is_refused(http: httpx.AsyncClient, replaced: Project) -> None:
    response = await http.post("/notifications", headers=replaced.admin, json=notification("ada"))
    assert code(response) == "api_secret_is_incorrect"


# ---- tokens


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
async def test_a_token_with_an_external_id_opens_that_users_inbox(inbox: Inbox, scheme: str) -> None:
    await inbox.receive()
    headers = {"Authorization": f"{scheme} {token(claims_of(inbox.external_id))}"}
    assert (await inbox.http.get("/notifications", headers=headers)).json()["total"] == 1


async def test_a_token_with_an_email_opens_that_users_inbox(http: httpx.AsyncClient, user: str) -> None:
    await send(http, notification(recipients=[{"email": f"{user}@x.y"}]))
    headers = bearer(token(claims_of("", user_email=f"{user.upper()}@X.y")))
    assert (await http.get("/notifications", headers=headers)).json()["total"] == 1


async def test_a_token_with_both_names_proves_both(http: httpx.AsyncClient, user: str) -> None:
    headers = bearer(token(claims_of(user, user_email=f"{user}@x.y")))
    assert (await http.get("/notifications", headers=headers)).status_code == 200
    await send(http, notification(recipients=[{"email": f"{user}@x.y"}]))
    assert (await http.get("/notifications", headers=user_headers(user))).json()["total"] == 1


async def test_a_token_takes_precedence_over_the_user_headers(inbox: Inbox) -> None:
    await inbox.receive()
    headers = bearer(token(claims_of(inbox.external_id))) | user_headers(f"{inbox.external_id}-other")
    assert (await inbox.http.get("/notifications", headers=headers)).json()["total"] == 1


@pytest.mark.parametrize(
    "more",
    [
        {"exp": 9_999_999_999.5},
        {"iat": 9_999_999_998},
        {"iat": 1_700_000_000_000},
        {"iat": 1_700_000_000.25, "nbf": 1_700_000_000.25},
        {"iat": 0, "nbf": -1},
        {"aud": "x", "iss": "y", "n": {}},
    ],
)
async def test_unknown_claims_are_ignored(http: httpx.AsyncClient, user: str, more: Any) -> None:
    response = await http.get("/config", headers=bearer(token(claims_of(user, **more))))
    assert response.status_code == 200


NOW = int(time.time())


@pytest.mark.parametrize(
    "exp", [NOW - 1, NOW - 0.5, 0, -1, 1e-300], ids=["a-second-ago", "half-a-second-ago", "1970", "1969", "tiny"]
)
async def test_an_expired_token_has_a_code_of_its_own(http: httpx.AsyncClient, exp: float) -> None:
    response = await http.get("/config", headers=bearer(token(claims_of("ada", exp=exp))))
    assert (response.status_code, code(response)) == (401, "token_expired")


WRONG_TIMES: list[Any] = [
    str(NOW),
    "",
    True,
    False,
    [NOW],
    {},
    float("nan"),
    float("inf"),
    -float("inf"),
    10**18,
    1e300,
]


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": None}, "The token's exp is missing"),
        ({"exp": "9999999999"}, "The token's exp is not a unix time"),
        ({"exp": [9_999_999_999]}, "The token's exp is not a unix time"),
        ({"exp": float("inf")}, "The token's exp is not a unix time"),
        ({"exp": float("nan")}, "The token's exp is not a unix time"),
        ({"exp": 10**400}, "The token's exp is not a unix time"),
        ({"exp": 10**300}, "The token's exp is not a unix time"),
        ({"api_key": None}, "The token's api_key is missing or of another project"),
        ({"api_key": ""}, "The token's api_key is missing or of another project"),
        ({"api_key": 5}, "The token's api_key is not a string"),
        ({"api_key": [API_KEY]}, "The token's api_key is not a string"),
        ({"api_key": "\ud800"}, "The token's api_key is not a string"),
        ({"user_external_id": None}, "The token names no user_external_id and no user_email"),
        ({"user_external_id": "", "user_email": ""}, "The token names no user_external_id and no user_email"),
        ({"user_external_id": 5}, "The token's user_external_id is not a string"),
        ({"user_external_id": {"a": 1}}, "The token's user_external_id is not a string"),
        ({"user_external_id": "\udfff"}, "The token's user_external_id is not a string"),
        ({"user_email": True}, "The token's user_email is not a string"),
        ({"exp": True}, "The token's exp is not a unix time"),
        ({"exp": 1000 * (NOW + 60)}, "The token's exp is not in seconds, or after the year 9999"),
        ({"nbf": 9_999_999_999}, "The token's nbf is in the future: it does not count yet"),
        ({"nbf": "1"}, "The token's nbf is not a unix time"),
        ({"nbf": False}, "The token's nbf is not a unix time"),
        ({"nbf": float("nan")}, "The token's nbf is not a unix time"),
        ({"nbf": 1000 * NOW}, "The token's nbf is not in seconds, or after the year 9999"),
        *(({"iat": wrong}, "The token's iat is not a unix time") for wrong in WRONG_TIMES),
    ],
)
async def test_a_token_with_invalid_claims_is_refused_and_the_claim_named(
    http: httpx.AsyncClient, claims: Any, message: str
) -> None:
    response = await http.get("/config", headers=bearer(token(claims_of("ada", **claims))))
    assert (response.status_code, code(response), messages(response)) == (401, "token_is_incorrect", [message])


async def test_a_token_of_an_unknown_project_is_an_incorrect_api_key(http: httpx.AsyncClient) -> None:
    response = await http.get("/config", headers=bearer(token(claims_of("ada", api_key="wrong"))))
    assert (response.status_code, code(response)) == (401, "incorrect_api_key")


def rs256_token() -> str:
    """Sign a token with a private key."""
    key = rsa.generate_private_key(65537, 2048)
    signed = f"{encoded({'alg': 'RS256'})}.{encoded(claims_of('ada'))}"
    return f"{signed}.{encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


GOOD = token(claims_of("ada"))
HEAD, CLAIMS, SIGNATURE = GOOD.split(".")


@pytest.mark.parametrize(
    "forged",
    [
        token(claims_of("ada"), "wrong secret"),
        token(claims_of("ada"), API_KEY),
        token(claims_of("ada"), ""),
        token(claims_of("ada"), algorithm="HS512", digest="sha512"),
        token(claims_of("ada"), algorithm="HS512"),
        token(claims_of("ada"), algorithm="hs256"),
        token(claims_of("ada"), algorithm="RS256"),
        rs256_token(),
        f"{encoded({'alg': 'none'})}.{CLAIMS}.",
        f"{encoded({'alg': 'None', 'typ': 'JWT'})}.{CLAIMS}.{SIGNATURE}",
        f"{encoded({})}.{CLAIMS}.{SIGNATURE}",
        f"{HEAD}.{CLAIMS}.",
        f"{HEAD}.{CLAIMS}",
        f"{HEAD}.{encoded(claims_of('bob'))}.{SIGNATURE}",
        f"{HEAD}.{CLAIMS}.{hashlib.sha256(b'').hexdigest()}",
        f"{GOOD}.x",
        GOOD[:-2],
        "x",
        "..",
        "é.é.é",
        f"{encoded([1])}.{CLAIMS}.{SIGNATURE}",
        token([1]),
        token(b"not json"),
        token(b"\xff"),
        token(b"[" * 20_000),
        token(b'{"api_key":' * 4_000),
        "x" * 50_000,
    ],
    ids=lambda forged: None if len(forged) < 20 else hashlib.sha256(forged.encode()).hexdigest()[:6],
)
async def test_a_forged_or_broken_token_is_incorrect(http: httpx.AsyncClient, forged: str) -> None:
    response = await http.get("/config", headers=on_the_wire(bearer(forged)))
    assert (response.status_code, code(response)) == (401, "token_is_incorrect")


async def test_a_good_token_does_not_open_an_admin_call(http: httpx.AsyncClient, user: str) -> None:
    response = await http.post("/notifications", headers=bearer(token(claims_of(user))), json=notification(user))
    assert (response.status_code, code(response)) == (403, "forbidden")


async def test_a_token_of_two_users_is_incorrect(http: httpx.AsyncClient, user: str) -> None:
    await send(http, notification(recipients=[{"external_id": user}, {"email": f"{user}@x.y"}]))
    response = await http.get("/config", headers=bearer(token(claims_of(user, user_email=f"{user}@x.y"))))
    assert (response.status_code, code(response)) == (401, "token_is_incorrect")


# ---- isolation of projects and users


async def test_a_token_of_another_project_is_refused(http: httpx.AsyncClient, open_project: Project) -> None:
    forged = token(claims_of("ada", api_key=open_project.api_key))
    assert code(await http.get("/config", headers=bearer(forged))) == "token_is_incorrect"
    good = token(claims_of("ada", api_key=open_project.api_key), open_project.api_secret)
    assert (await http.get("/config", headers=bearer(good))).status_code == 200
    response = await http.get("/config", headers=bearer(good) | {KEY: API_KEY})
    assert (response.status_code, code(response)) == (401, "token_is_incorrect")


async def test_one_projects_secret_does_not_open_another(http: httpx.AsyncClient, open_project: Project) -> None:
    response = await http.post("/notifications", headers=open_project.admin | {KEY: API_KEY}, json=notification("ada"))
    assert (response.status_code, code(response)) == (401, "api_secret_is_incorrect")


async def test_the_same_external_id_in_two_projects_means_two_users(inbox: Inbox, open_project: Project) -> None:
    item = await inbox.receive()
    stranger = {KEY: open_project.api_key, EXTERNAL_ID: inbox.external_id}
    assert (await inbox.http.get("/notifications", headers=stranger)).json()["total"] == 0
    assert (await inbox.http.get(f"/notifications/{item}", headers=stranger)).status_code == 404
    assert (await inbox.http.post("/notifications/read", headers=stranger)).status_code == 204
    assert (await inbox.page())["unread_count"] == 1


async def test_one_idempotency_key_in_two_projects_means_two_requests(inbox: Inbox, open_project: Project) -> None:
    key = {"Idempotency-Key": inbox.external_id}
    body = notification(inbox.external_id)
    responses = [
        await inbox.http.post("/notifications", headers=admin | key, json=body) for admin in (ADMIN, open_project.admin)
    ]
    assert [response.status_code for response in responses] == [201, 201]
    assert responses[0].content != responses[1].content


@pytest.mark.parametrize("kind", ["hmac", "email", "secret", "token"])
async def test_a_users_credentials_of_any_kind_give_no_access_to_another_user(inbox: Inbox, kind: str) -> None:
    item = await inbox.receive("private", category="a", topic="t")
    before = await inbox.request("GET", "/notifications")
    other = f"{inbox.external_id}-other"
    headers = {
        "hmac": user_headers(other),
        "email": email_headers(f"{other}@x.y"),
        "secret": ADMIN | {EXTERNAL_ID: other},
        "token": bearer(token(claims_of(other))),
    }[kind]

    def paths() -> list[str]:
        position = before.headers["x-inbox-position"].split(".")[0] + ".0"
        lists = ["/notifications", "/notifications?categories=a&topics=t", "/notifications?read=false"]
        return [*lists, f"/notifications/{item}", "/realtime/events", f"/realtime/events?since={position}", "/config"]

    for path in paths():
        assert "private" not in (await inbox.http.get(path, headers=headers)).text
    for path in ("read", "seen", f"{item}/read", f"{item}/archive"):
        await inbox.http.post(f"/notifications/{path}", headers=headers)
    await inbox.http.delete(f"/notifications/{item}", headers=headers)
    assert (await inbox.request("GET", "/notifications")).content == before.content
