"""Tokens that the gateway issues: for users and for projects, listed, discarded, and which calls each allows."""

import base64
import hmac
import json
import re
import time
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest

from tests.api.inbox import Inbox, code, messages, notification, send
from tests.api.projects import Project, command, project_of
from tests.api.tokens import bearer, claims_of, encoded, issue, token
from tests.servers import ADMIN, API_KEY, API_SECRET, Gateway, user_headers

YEAR = 365 * 24 * 3600
# A header and a payload of JSON in base64url (RFC 7515, section 3.1). `eyJ` alone turns up in random secrets too.
TOKEN = re.compile(rb"eyJ[\w-]+\.eyJ[\w-]+\.")
RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


async def issue_for_project(http: httpx.AsyncClient, admin: dict[str, str] = ADMIN, **fields: Any) -> dict[str, Any]:
    """Issue a token for the project of these admin headers, and return the response."""
    response = await http.post("/v2/jwt/project", headers=admin, json={"name": "a service", **fields})
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


async def tokens_of(http: httpx.AsyncClient, user: str, query: str = "") -> dict[str, Any]:
    """List the tokens of a user."""
    response = await http.get(f"/v2/jwt/user/external_id:{user}{query}", headers=ADMIN)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def unix(text: str) -> float:
    """Return a time of v2 as unix seconds."""
    assert re.fullmatch(RFC3339, text)
    return datetime.fromisoformat(text).timestamp()


@pytest.fixture
def project(gateway: Gateway) -> Project:
    """A project of this test's own."""
    return project_of(command(gateway, "project", "create", "tokens"))


# ---- a user's


async def test_an_issued_token_opens_the_users_inbox_and_no_other(inbox: Inbox) -> None:
    await inbox.receive()
    issued = await issue(inbox.http, inbox.external_id)
    headers = bearer(issued["token"]) | user_headers(f"{inbox.external_id}-other")
    assert (await inbox.http.get("/notifications", headers=headers)).json()["total"] == 1


async def test_the_response_has_the_v2_fields_and_a_year_is_the_default(http: httpx.AsyncClient, user: str) -> None:
    issued = await issue(http, user)
    assert issued.keys() == {"token", "token_id", "created_at", "expires_at"}
    assert str(UUID(issued["token_id"])) == issued["token_id"]
    assert abs(unix(issued["created_at"]) - time.time()) < 60
    assert unix(issued["expires_at"]) - unix(issued["created_at"]) == YEAR
    short = await issue(http, user, expiry=60)
    assert unix(short["expires_at"]) - unix(short["created_at"]) == 60


async def test_a_token_has_the_claims_of_v1_tokens_and_names_its_key(http: httpx.AsyncClient, user: str) -> None:
    issued = await issue(http, user, email=f"{user}@X.y".upper(), expiry=60)
    claims = jwt.decode(issued["token"], API_SECRET, algorithms=["HS256"])
    assert claims["api_key"] == API_KEY
    assert claims["user_external_id"] == user
    assert claims["user_email"] == f"{user}@x.y".lower()
    assert claims["jti"] == issued["token_id"]
    assert claims["exp"] - claims["iat"] == 60
    assert jwt.get_unverified_header(issued["token"])["kid"]


async def test_an_unknown_user_is_created_by_email_too(http: httpx.AsyncClient, user: str) -> None:
    issued = await http.post("/v2/jwt/user", headers=ADMIN, json={"email": f"{user}@x.y"})
    await send(http, notification(recipients=[{"email": f"{user}@x.y"}]))
    listed = await http.get("/notifications", headers=bearer(issued.json()["token"]))
    assert listed.json()["total"] == 1


async def test_a_token_stays_valid_when_its_user_is_renamed(inbox: Inbox) -> None:
    await inbox.receive()
    issued = await issue(inbox.http, inbox.external_id)
    renamed = {"user": {"external_id": f"{inbox.external_id}-renamed"}}
    await inbox.http.put(f"/users/external_id:{inbox.external_id}", headers=ADMIN, json=renamed)
    assert (await inbox.http.get("/notifications", headers=bearer(issued["token"]))).json()["total"] == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["The body must have an email or an external_id"]),
        ({"name": "x"}, ["The body must have an email or an external_id"]),
        ({"external_id": "x" * 256}, ["Param 'external_id' must have at most 255 characters"]),
        ({"email": "nobody"}, ["Param 'email' must be an email address"]),
        ({"external_id": "a", "expiry": 0}, [f"Param 'expiry' must be from 1 to {10 * YEAR}"]),
        ({"external_id": "a", "expiry": 10 * YEAR + 1}, [f"Param 'expiry' must be from 1 to {10 * YEAR}"]),
        ({"external_id": "a", "expiry": "60"}, ["Param 'expiry' must be a whole number"]),
        ({"external_id": "a", "expiry": 1.5}, ["Param 'expiry' must be a whole number"]),
        ({"external_id": "a", "expiry": True}, ["Param 'expiry' must be a whole number"]),
        (
            {"external_id": 5, "expiry": -1, "name": "x" * 256},
            [
                "Param 'external_id' must be a string",
                f"Param 'expiry' must be from 1 to {10 * YEAR}",
                "Param 'name' must have at most 255 characters",
            ],
        ),
        ([], ["The body must be a JSON object"]),
    ],
)
async def test_an_invalid_body_is_refused_field_by_field(
    http: httpx.AsyncClient, body: Any, expected: list[str]
) -> None:
    response = await http.post("/v2/jwt/user", headers=ADMIN, json=body)
    assert (response.status_code, messages(response)) == (422, expected)


async def test_names_of_two_users_are_refused(http: httpx.AsyncClient, user: str) -> None:
    await send(http, notification(recipients=[{"external_id": user}, {"email": f"{user}@x.y"}]))
    body = {"external_id": user, "email": f"{user}@x.y"}
    response = await http.post("/v2/jwt/user", headers=ADMIN, json=body)
    assert response.status_code == 422
    assert messages(response) == ["The body has the external_id of one user and the email of another"]


async def test_a_user_may_not_issue_list_or_discard(http: httpx.AsyncClient, user: str) -> None:
    issued = await issue(http, user)
    for headers in (user_headers(user), bearer(issued["token"])):
        for method, path in (
            ("POST", "/v2/jwt/user"),
            ("POST", "/v2/jwt/project"),
            ("GET", f"/v2/jwt/user/external_id:{user}"),
            ("GET", "/v2/jwt/project"),
            ("DELETE", f"/v2/jwt/user/{issued['token_id']}"),
            ("POST", f"/users/external_id:{user}/revoke_tokens"),
            ("PUT", "/v2/jwt/keys"),
        ):
            response = await http.request(method, path, headers=headers)
            assert response.status_code in (401, 403), (method, path)
    assert (await http.get("/config", headers=bearer(issued["token"]))).status_code == 200


# ---- listing


async def test_a_list_describes_tokens_without_showing_them_newest_first(http: httpx.AsyncClient, user: str) -> None:
    first = await issue(http, user, name="phone", expiry=60)
    second = await issue(http, user)
    listed = await tokens_of(http, user)
    assert listed["data"] == [
        {"id": second["token_id"], "created_at": second["created_at"], "expires_at": second["expires_at"]},
        {
            "id": first["token_id"],
            "created_at": first["created_at"],
            "expires_at": first["expires_at"],
            "name": "phone",
        },
    ]
    assert listed["links"].keys() == {"first", "next", "prev"}
    assert (listed["links"]["next"], listed["links"]["prev"]) == (None, None)
    for issued in (first, second):
        assert issued["token"].rpartition(".")[2] not in json.dumps(listed)


async def test_the_links_lead_through_all_pages_and_back(http: httpx.AsyncClient, user: str) -> None:
    ids = [(await issue(http, user))["token_id"] for _ in range(7)][::-1]

    async def walk(path: str | None, direction: str) -> list[list[str]]:
        pages = []
        while path:
            page = (await http.get(path, headers=ADMIN)).json()
            pages.append([entry["id"] for entry in page["data"]])
            path = page["links"][direction]
        return pages

    first = f"/v2/jwt/user/external_id:{user}?page[size]=3"
    assert await walk(first, "next") == [ids[:3], ids[3:6], ids[6:]]
    last = f"/v2/jwt/user/external_id:{user}?page[size]=3&page[after]={ids[5]}"
    assert await walk(last, "prev") == [ids[6:], ids[3:6], ids[:3]]
    newer = f"/v2/jwt/user/external_id:{user}?limit=2&starting_after={ids[1].upper()}"
    assert (await walk(newer, "prev"))[0] == ids[2:4]
    page = await tokens_of(http, user, f"?ending_before={ids[2]}")
    assert [entry["id"] for entry in page["data"]] == ids[:2]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("page[size]=0", "Param 'page[size]' must be a number from 1 to 100"),
        ("page[size]=101", "Param 'page[size]' must be a number from 1 to 100"),
        ("page[after]=x", "Param 'page[after]' must be the id of an entry"),
        ("page[before]=x", "Param 'page[before]' must be the id of an entry"),
        (
            "page[before]={0}&page[after]={0}".replace("{0}", "00000000-0000-0000-0000-000000000000"),
            "Param 'page[before]' must not come with 'page[after]'",
        ),
    ],
)
async def test_an_invalid_page_is_refused(http: httpx.AsyncClient, query: str, message: str) -> None:
    response = await http.get(f"/v2/jwt/project?{query}", headers=ADMIN)
    assert (response.status_code, messages(response)) == (422, [message])


async def test_a_list_of_an_unknown_users_tokens_is_not_found(http: httpx.AsyncClient, user: str) -> None:
    response = await http.get(f"/v2/jwt/user/external_id:{user}", headers=ADMIN)
    assert (response.status_code, messages(response)) == (404, ["User not found"])


# ---- discarding


async def test_a_discarded_token_is_refused_at_once_and_stays_listed(http: httpx.AsyncClient, user: str) -> None:
    issued, other = await issue(http, user), await issue(http, user)
    response = await http.delete(f"/v2/jwt/user/{issued['token_id']}", headers=ADMIN)
    assert response.status_code == 200
    assert response.json()["token_id"] == issued["token_id"]
    discarded_at = response.json()["discarded_at"]
    assert abs(unix(discarded_at) - time.time()) < 60

    refused = await http.get("/notifications", headers=bearer(issued["token"]))
    assert (refused.status_code, code(refused)) == (401, "token_revoked")
    assert (await http.get("/notifications", headers=bearer(other["token"]))).status_code == 200
    marked = {entry["id"]: entry.get("discarded_at") for entry in (await tokens_of(http, user))["data"]}
    assert marked == {issued["token_id"]: discarded_at, other["token_id"]: None}

    again = await http.delete(f"/v2/jwt/user/{issued['token_id']}", headers=ADMIN)
    assert again.json() == response.json(), "the time of the first discard is kept"


@pytest.mark.parametrize("kind", ["user", "project"])
@pytest.mark.parametrize("token_id", ["x", "00000000-0000-0000-0000-000000000000"])
async def test_a_token_that_was_never_issued_is_not_found(http: httpx.AsyncClient, kind: str, token_id: str) -> None:
    response = await http.delete(f"/v2/jwt/{kind}/{token_id}", headers=ADMIN)
    assert (response.status_code, code(response)) == (404, "not_found")


async def test_a_token_of_a_deleted_user_is_refused_even_when_the_name_is_taken_again(
    http: httpx.AsyncClient, user: str
) -> None:
    issued = await issue(http, user)
    await http.delete(f"/users/external_id:{user}", headers=ADMIN)
    for _ in range(2):
        response = await http.get("/notifications", headers=bearer(issued["token"]))
        assert (response.status_code, code(response)) == (401, "token_revoked")
        await send(http, notification(user))
    assert (await http.delete(f"/v2/jwt/user/{issued['token_id']}", headers=ADMIN)).status_code == 404


@pytest.mark.parametrize("name", ["user_external_id", "user_email"])
async def test_a_token_signed_for_a_deleted_user_is_not_valid_for_a_later_user_of_that_name(
    http: httpx.AsyncClient, user: str, name: str
) -> None:
    user = f"{user}@x.y".lower()
    now = int(time.time())
    nameless = {"user_external_id": None, "user_email": None}
    old, silent = [bearer(token(claims_of("", **(nameless | {name: user, "iat": iat})))) for iat in (now - 9, None)]
    new = bearer(token(claims_of("", **(nameless | {name: user, "iat": now + 60}))))
    assert (await http.get("/config", headers=old)).status_code == 200
    await http.delete(f"/users/{name[5:]}:{user}", headers=ADMIN)
    for _ in range(2):
        response = await http.get("/config", headers=old)
        assert (response.status_code, code(response)) == (401, "token_revoked")
        assert (await http.get("/config", headers=new)).status_code == 200
        assert (await http.get("/config", headers=silent)).status_code == 200
    # Other changes of the new user do not make the old token valid.
    body = {"user": {"first_name": "Jo", **({"email": f"2{user}"} if name[5:] != "email" else {})}}
    assert (await http.put(f"/users/{name[5:]}:{user}", headers=ADMIN, json=body)).status_code == 200
    assert (await http.get("/config", headers=old)).status_code == 401


# ---- issuing once


@pytest.mark.parametrize(
    ("path", "body"), [("/v2/jwt/user", {"external_id": "once"}), ("/v2/jwt/project", {"name": "once"})]
)
async def test_a_repeated_request_with_its_key_gets_the_same_token(
    http: httpx.AsyncClient, user: str, path: str, body: dict[str, str]
) -> None:
    headers = ADMIN | {"Idempotency-Key": user}
    first, second = [await http.post(path, headers=headers, json=body) for _ in range(2)]
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert (await http.post(path, headers=ADMIN, json=body)).json()["token_id"] != first.json()["token_id"]


# ---- a project's


async def test_a_projects_token_replaces_its_secret_in_every_call(http: httpx.AsyncClient, project: Project) -> None:
    issued = await issue_for_project(http, project.admin)
    headers = bearer(issued["token"])
    assert (await http.post("/notifications", headers=headers, json=notification("ada"))).status_code == 201
    assert (await http.post("/users", headers=headers, json={"user": {"external_id": "bob"}})).status_code == 201
    ada = (await http.post("/v2/jwt/user", headers=headers, json={"external_id": "ada"})).json()
    assert (await http.get("/notifications", headers=bearer(ada["token"]))).json()["total"] == 1
    listed = (await http.get("/v2/jwt/project", headers=headers)).json()["data"]
    assert [(entry["id"], entry["name"]) for entry in listed] == [(issued["token_id"], "a service")]


async def test_a_discarded_or_forged_project_token_opens_nothing(http: httpx.AsyncClient, project: Project) -> None:
    issued = await issue_for_project(http, project.admin)
    claims = jwt.decode(issued["token"], project.api_secret, algorithms=["HS256"])
    forged = [claims | {"jti": "00000000-0000-7000-8000-000000000000"}, claims | {"inbox_project": "other"}]
    forged.append({name: value for name, value in claims.items() if name != "jti"})
    for one in forged:
        response = await http.get("/v2/jwt/project", headers=bearer(token(one, project.api_secret)))
        assert (response.status_code, code(response)) == (401, "token_is_incorrect")
    assert (await http.get("/v2/jwt/project", headers=bearer(issued["token"]))).status_code == 200

    path = f"/v2/jwt/project/{issued['token_id']}"
    discarded = await http.delete(path, headers=bearer(issued["token"]))
    assert discarded.json().keys() == {"token_id", "discarded_at"}
    refused = await http.get("/v2/jwt/project", headers=bearer(issued["token"]))
    assert (refused.status_code, code(refused)) == (401, "token_revoked")


async def test_a_projects_token_opens_no_inbox_and_a_users_token_no_backend_call(
    http: httpx.AsyncClient, user: str
) -> None:
    issued = await issue_for_project(http)
    for headers in (bearer(issued["token"]), bearer(issued["token"]) | user_headers(user)):
        response = await http.get("/notifications", headers=headers)
        assert (response.status_code, code(response)) == (403, "forbidden")
    response = await http.get("/v2/jwt/project", headers=bearer((await issue(http, user))["token"]))
    assert (response.status_code, code(response)) == (403, "forbidden")


async def test_an_expired_project_token_is_refused(http: httpx.AsyncClient, project: Project) -> None:
    expired = {"api_key": project.api_key, "inbox_project": "p", "jti": "x", "exp": int(time.time()) - 1}
    response = await http.get("/v2/jwt/project", headers=bearer(token(expired, project.api_secret)))
    assert (response.status_code, code(response)) == (401, "token_expired")


async def test_a_project_token_needs_a_name(http: httpx.AsyncClient) -> None:
    response = await http.post("/v2/jwt/project", headers=ADMIN, json={"expiry": 0})
    assert messages(response) == [f"Param 'expiry' must be from 1 to {10 * YEAR}", "Param 'name' is missing"]


async def test_the_secret_takes_precedence_over_a_token(http: httpx.AsyncClient, user: str) -> None:
    headers = ADMIN | bearer((await issue(http, user))["token"])
    assert (await http.post("/notifications", headers=headers, json=notification(user))).status_code == 201


# ---- kid


def signed_with_kid(kid: Any, secret: str = API_SECRET, **claims: Any) -> str:
    """Sign a token with the API secret, with this `kid`."""
    signed = f"{encoded({'alg': 'HS256', 'kid': kid})}.{encoded(claims_of('ada', **claims))}"
    digest = hmac.digest(secret.encode(), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


@pytest.mark.parametrize("kid", ["unknown", "", 5, ["x"], {"a": 1}, "\ud800"])
async def test_a_kid_that_names_no_key_of_the_project_is_refused(http: httpx.AsyncClient, kid: Any) -> None:
    response = await http.get("/config", headers=bearer(signed_with_kid(kid)))
    assert (response.status_code, code(response)) == (401, "token_is_incorrect")


async def test_a_token_is_verified_by_the_key_that_its_kid_names_and_no_other(
    http: httpx.AsyncClient, gateway: Gateway, project: Project
) -> None:
    issued = (await http.post("/v2/jwt/user", headers=project.admin, json={"external_id": "ada"})).json()
    kid = jwt.get_unverified_header(issued["token"])["kid"]
    new = project_of(command(gateway, "project", "rotate-secret", project.api_key))
    mixed = signed_with_kid(kid, new.api_secret, api_key=project.api_key)
    assert code(await http.get("/config", headers=bearer(mixed))) == "token_is_incorrect"
    good = signed_with_kid(kid, project.api_secret, api_key=project.api_key)
    assert (await http.get("/config", headers=bearer(good))).status_code == 200


async def test_an_id_that_is_not_text_is_refused_without_an_internal_error(http: httpx.AsyncClient) -> None:
    for token_id in (5, "\ud800", ["x"]):
        response = await http.get("/config", headers=bearer(token(claims_of("ada", jti=token_id))))
        assert (response.status_code, code(response)) == (401, "token_is_incorrect")


def test_no_token_is_in_the_log(gateway: Gateway) -> None:
    assert not TOKEN.search(gateway.log.encode())


async def test_no_token_is_in_the_store(http: httpx.AsyncClient, gateway: Gateway, user: str) -> None:
    issued = await issue(http, user)
    appended = b"".join(path.read_bytes() for path in (gateway.data_dir / "valkey").rglob("*.aof"))
    assert issued["token_id"].encode() in appended
    assert TOKEN.search(issued["token"].encode())
    assert not TOKEN.search(appended)
