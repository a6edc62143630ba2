"""Sign-in, sessions, and what somebody without a right to one may try."""

import re
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from tests.api.admin.admins import (
    PASSWORD,
    SAME_ORIGIN,
    create_admin,
    invited,
    owner_headers,
    owner_of,
    run_command,
    signed_in,
)
from tests.servers import Gateway, free_port, running_gateway

COOKIE = "inbox_admin"
API = "/admin/api"


def login(gateway: Gateway, email: str, headers: dict[str, str] = SAME_ORIGIN, **more: str) -> httpx.Response:
    """Try to sign in."""
    given = {"email": email, "password": PASSWORD} | more
    return httpx.post(f"{gateway.url}{API}/login", headers=headers, json=given, timeout=30)


@pytest.fixture(scope="module")
def owner(gateway: Gateway) -> str:
    return owner_of(gateway)[0]


def test_a_session_is_renewed_at_each_sign_in_and_its_cookie_is_useless_after_the_sign_out(
    gateway: Gateway, owner: str
) -> None:
    with httpx.Client(base_url=gateway.url + API, headers=SAME_ORIGIN) as client:
        client.cookies.set(COOKIE, "chosen-by-an-attacker", domain="127.0.0.1")  # fixation
        assert client.get("/me").status_code == 401
        first = client.post("/login", json={"email": owner.upper(), "password": PASSWORD})
        cookie = re.fullmatch(rf"{COOKIE}=([\w-]{{43}}); Max-Age=604800; (.*)", first.headers["set-cookie"])
        assert cookie is not None
        assert cookie[2] == "Path=/; HttpOnly; SameSite=Lax"
        assert cookie[1] != "chosen-by-an-attacker"
        assert first.json()["admin"]["email"] == owner
        assert first.json()["admin"]["roles"] == {"*": "owner"}
        stolen = {"Cookie": f"{COOKIE}={cookie[1]}"}
        assert httpx.get(f"{gateway.url}{API}/me", headers=stolen).status_code == 200
        assert httpx.get(f"{gateway.url}/notifications", headers=stolen).status_code == 404, (
            "it counts below /admin only"
        )
        out = httpx.post(f"{gateway.url}{API}/logout", headers=stolen | SAME_ORIGIN)
        assert (out.status_code, "Max-Age=0" in out.headers["set-cookie"]) == (204, True)
        assert httpx.get(f"{gateway.url}{API}/me", headers=stolen).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "OURS"},
    ],
    ids=str,
)
def test_an_unsafe_request_with_a_cookie_needs_a_page_of_the_gateway(
    gateway: Gateway, owner: str, headers: dict[str, str]
) -> None:
    headers = {name: gateway.url if value == "OURS" else value for name, value in headers.items()}
    with signed_in(gateway, owner) as client, httpx.Client(cookies=client.cookies) as other:
        refused = other.post(f"{gateway.url}{API}/projects", headers=headers, json={"name": "Shop"})
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "cross_site")
        assert "access-control-allow-origin" not in refused.headers
        allowed = other.patch(f"{gateway.url}{API}/me", headers={"Origin": gateway.url}, json={"name": "Ada"})
        assert allowed.status_code == 200
        form = other.patch(f"{gateway.url}{API}/me", headers=SAME_ORIGIN, data={"name": "Ada"})
        assert form.status_code == 415
        plain = other.patch(
            f"{gateway.url}{API}/me", headers=SAME_ORIGIN | {"Content-Type": "text/plain"}, content='{"name": "Ada"}'
        )
        assert plain.status_code == 415
        is_embedded = headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
        assert other.get(f"{gateway.url}{API}/me", headers=headers).status_code == (403 if is_embedded else 200)


def test_a_cookie_counts_if_it_is_the_only_one_of_its_name_whatever_others_contain(
    gateway: Gateway, owner: str
) -> None:
    with signed_in(gateway, owner) as client:
        own = f"{COOKIE}={client.cookies[COOKIE]}"

    def status(cookies: str) -> int:
        return httpx.get(f"{gateway.url}{API}/me", headers={"Cookie": cookies}).status_code

    assert status(f'theme={{"a": "b"}}; path=/; {own}; x') == 200, "another server on the machine has set some"
    with signed_in(gateway, owner) as attacker:
        planted = f"{COOKIE}={attacker.cookies[COOKIE]}"
    assert status(f"{planted}; {own}") == status(f"{own}; {planted}") == 401
    assert status(f"{own}; {own}") == 200


def test_a_login_from_another_site_and_one_over_plain_http_are_refused(gateway: Gateway, owner: str) -> None:
    assert login(gateway, owner, {"Sec-Fetch-Site": "cross-site"}).json()["errors"][0]["code"] == "cross_site"
    assert login(gateway, owner, {"Host": "inbox.example.com"}).json()["errors"][0]["code"] == "needs_https"
    proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "inbox.example.com"}
    secure = login(gateway, owner, proxied | {"Origin": "https://inbox.example.com"})
    name, _, rest = secure.headers["set-cookie"].partition("=")
    assert name == "__Host-inbox_admin"
    assert rest.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")
    secret = rest.partition(";")[0]
    me = f"{gateway.url}{API}/me"
    assert httpx.get(me, headers=proxied | {"Cookie": f"{name}={secret}"}).status_code == 200
    assert httpx.get(me, headers=proxied | {"Cookie": f"{COOKIE}={secret}"}).status_code == 401, (
        "another host may set it"
    )


def test_failed_tries_are_limited_by_address_and_by_account_and_leave_entries(gateway: Gateway) -> None:
    email = invited(gateway, {"*": "viewer"})

    def from_address(address: str, tried: str, **more: str) -> httpx.Response:
        return login(gateway, tried, {"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}, **more)

    for number in range(5):
        assert from_address("192.0.2.1", f"{number}@example.com").status_code == 401
    assert from_address("192.0.2.1", email).status_code == 429, "the address has no more tries, with any account"
    assert from_address("192.0.2.2", email).status_code == 200, "another one has"
    for number in range(10):
        assert from_address(f"192.0.2.{10 + number}", email, password="wrong password").status_code == 401
    refused = from_address("192.0.2.50", email)
    assert refused.status_code == 429, "the account has no more tries, from anywhere"
    assert int(refused.headers["retry-after"]) > 3000
    listed = httpx.get(f"{gateway.url}{API}/audit?actor={email}", headers=owner_headers(gateway)).json()["data"]
    errors = [entry["error"] for entry in listed if entry["action"] == "post_admin_api_login"]
    assert errors.count("email_or_password_incorrect") == 10
    assert errors.count("too_many_tries") == 2, "the first one that is refused by each limit"
    assert "wrong password" not in str(listed)
    assert from_address("192.0.2.2", email).status_code == 200, "the admin has signed in from there before"
    for _ in range(10):
        from_address("192.0.2.2", email, password="wrong password")
    assert from_address("192.0.2.2", email).status_code == 429


def test_a_link_is_used_once_and_invites_with_a_role(gateway: Gateway) -> None:
    email = f"{uuid4().hex[:8]}@example.com"
    given = {"email": email, "name": "Grace", "roles": {"*": "viewer"}}
    made = httpx.post(f"{gateway.url}{API}/admins", headers=owner_headers(gateway), json=given).json()
    assert made["admin"]["has_password"] is False
    address, _, token = made["link"].partition("#token=")
    assert address == f"{gateway.url}/admin/setup"
    assert login(gateway, email).status_code == 401, "there is no password yet"
    shown = httpx.post(f"{gateway.url}{API}/link", json={"token": token}).json()
    assert shown == {"email": email, "name": "Grace"}
    short = httpx.post(f"{gateway.url}{API}/setup", json={"token": token, "password": "too short"})
    assert short.status_code == 422
    used = httpx.post(f"{gateway.url}{API}/setup", json={"token": token, "password": PASSWORD})
    assert (used.status_code, used.json()["role"]) == (200, "viewer")
    again = httpx.post(f"{gateway.url}{API}/setup", json={"token": token, "password": "another password"})
    assert again.json()["errors"][0]["code"] == "setup_link_ended"
    assert login(gateway, email).status_code == 200


def test_a_link_ends_with_the_password_and_with_the_roles_that_it_was_made_for(gateway: Gateway) -> None:
    email, headers = f"{uuid4().hex[:8]}@example.com", owner_headers(gateway)

    def opened(answer: httpx.Response, password: str = PASSWORD) -> str | int:
        token = answer.json()["link"].partition("#token=")[2]
        used = httpx.post(f"{gateway.url}{API}/setup", json={"token": token, "password": password})
        return used.status_code if used.status_code == 200 else str(used.json()["errors"][0]["code"])

    made = httpx.post(f"{gateway.url}{API}/admins", headers=headers, json={"email": email, "roles": {"1": "viewer"}})
    admin = f"{gateway.url}{API}/admins/{made.json()['admin']['id']}"
    second, third = (httpx.post(f"{admin}/link", headers=headers) for _ in range(2))
    assert opened(second) == 200
    assert (opened(made), opened(third)) == ("setup_link_ended", "setup_link_ended"), "who has one could sign in"
    with signed_in(gateway, invited(gateway, {"1": "owner"})) as owner_of_one:
        kept = owner_of_one.post(f"/admins/{made.json()['admin']['id']}/link")
        assert kept.status_code == 201
        assert httpx.patch(admin, headers=headers, json={"roles": {"*": "owner"}}).status_code == 200
        assert opened(kept) == "setup_link_ended", "its maker must not become an owner of all"
        renamed = httpx.patch(admin, headers=headers, json={"name": "Grace"}).json()
        assert (renamed["name"], renamed["roles"]) == ("Grace", {"*": "owner"})


def test_sessions_are_listed_and_ended_and_a_new_password_or_role_ends_them(gateway: Gateway) -> None:
    email = invited(gateway, {"*": "editor"})
    with signed_in(gateway, email) as one, signed_in(gateway, email) as other:
        ids = {each["id"]: each["is_current"] for each in one.get("/sessions").json()["data"]}
        assert sorted(ids.values()) == [False, False, True], "with that of the link"
        assert one.delete("/sessions").status_code == 204
        assert other.get("/me").status_code == 401
        before = one.cookies[COOKIE]
        assert one.post("/me/password", json={"password": "a second password"}).status_code == 204
        assert one.cookies[COOKIE] != before
        assert one.get("/me").status_code == 200
        assert login(gateway, email).status_code == 401
        assert login(gateway, email, password="a second password").status_code == 200
        admin_id = one.get("/me").json()["admin"]["id"]
        changed = httpx.patch(
            f"{gateway.url}{API}/admins/{admin_id}", headers=owner_headers(gateway), json={"roles": {"*": "viewer"}}
        )
        assert changed.json()["roles"] == {"*": "viewer"}
        assert one.get("/me").status_code == 401
    removed = httpx.delete(f"{gateway.url}{API}/admins/{admin_id}", headers=owner_headers(gateway))
    assert removed.status_code == 204
    assert login(gateway, email, password="a second password").status_code == 401


def test_an_owner_of_one_workspace_cannot_make_an_owner_of_all(gateway: Gateway) -> None:
    with signed_in(gateway, invited(gateway, {"1": "owner"})) as client:
        given = {"email": f"{uuid4().hex[:8]}@example.com", "roles": {"*": "viewer"}}
        assert client.post("/admins", json=given).status_code == 403
        assert client.post("/admins", json=given | {"roles": {"1": "admin"}}).status_code == 201
        assert client.post("/admins", json=given | {"roles": {"9999": "admin"}}).status_code == 422
        made = httpx.post(f"{gateway.url}{API}/workspaces", headers=owner_headers(gateway), json={"title": "Blue"})
        stranger = invited(gateway, {made.json()["id"]: "owner"})
        listed = client.get("/admins").json()["data"]
        assert stranger not in [each["email"] for each in listed], "they have no workspace in common"
        everybody = httpx.get(f"{gateway.url}{API}/admins", headers=owner_headers(gateway)).json()["data"]
        (hidden,) = [each["id"] for each in everybody if each["email"] == stranger]
        assert client.get(f"/admins/{hidden}").status_code == 404
        owners = [each for each in client.get("/admins").json()["data"] if each["roles"] == {"*": "owner"}]
        assert client.delete(f"/admins/{owners[0]['id']}").status_code == 403


def first_owner(gateway: Gateway) -> str:
    """Return the email of the only admin."""
    (email,) = re.findall(r"^email +(\S+)$", run_command(gateway, "admin", "list").stdout, re.MULTILINE)
    return str(email)


def test_the_first_start_needs_a_link_and_the_dashboard_may_have_a_port_of_its_own(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    port = free_port()
    directory = tmp_path_factory.mktemp("first")
    with running_gateway(directory / "data", INBOX_ADMIN_PORT=str(port)) as gateway:
        assert httpx.get(f"{gateway.url}/admin/").status_code == 404
        for method, path in (("GET", "/entry"), ("POST", "/entry"), ("DELETE", "/login"), ("OPTIONS", "/me")):
            nothing = httpx.request(method, f"{gateway.url}{API}{path}")
            assert (nothing.status_code, "allow" in nothing.headers) == (404, False)
            assert nothing.json()["errors"][0]["message"] == f"No route {method} {API}{path}", "as anywhere else"
        base = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{base}{API}/entry").json()["setup_needed"] is True
        printed = run_command(gateway, "admin", "setup-link").stdout.strip()
        address, _, token = printed.partition("#token=")
        assert address == f"{base}/admin/setup"
        given = {"name": "Ada", "password": PASSWORD}
        other = run_command(gateway, "admin", "setup-link").stdout.strip().partition("#token=")[2]

        def set_up(chosen: str) -> httpx.Response:
            body = given | {"token": chosen, "email": f"{uuid4().hex}@example.com"}
            return httpx.post(f"{base}{API}/setup", json=body, timeout=60)

        with ThreadPoolExecutor(4) as threads:  # all at once, by two links: one account is made
            responses = list(threads.map(set_up, [token, other] * 2))
        assert sorted(each.status_code for each in responses) == [200, 403, 403, 403]
        (me,) = [each.json() for each in responses if each.status_code == 200]
        assert (me["role"], me["public_url"]) == ("owner", gateway.url)
        assert httpx.get(f"{base}{API}/entry").json()["setup_needed"] is False
        assert run_command(gateway, "admin", "setup-link").returncode == 1
        refused = run_command(gateway, "admin", "remove", first_owner(gateway), "--yes")
        assert "nobody would be left" in refused.stderr
        create_admin(gateway, "grace@example.com", "--role", "viewer", "--workspace", "default", "--name", "Grace")
        listed = run_command(gateway, "admin", "list").stdout
        assert re.search(r"email +grace@example.com\nname +Grace\n.*\nrole +viewer in workspace 1", listed)
        reset = run_command(gateway, "admin", "reset-password", "grace@example.com", "--link").stdout
        assert reset.startswith(f"{base}/admin/setup#token=")
        assert run_command(gateway, "admin", "remove", "grace@example.com", "--yes").returncode == 0
        log = gateway.log_file.read_text()
        assert token not in log
        assert PASSWORD not in log
