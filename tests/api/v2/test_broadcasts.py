"""Broadcasts in the form of v2: the same jobs as those of v1."""

import asyncio
from typing import Any

import httpx
import pytest

from gateway.api.v1.overrides import CHANNELS, PROVIDERS
from gateway.api.v2.broadcasts import cell
from tests.api.inbox import messages
from tests.api.projects import Project, command, project_of
from tests.servers import ADMIN, Gateway, user_headers

EVERYTHING: dict[str, Any] = {
    "content": "c",
    "action_url": "https://example.com/1",
    "category": "a/b:c.d-e_f",
    "topic": "t:1",
    "custom_attributes": {"a": [1, None]},
    "overrides": {
        "channels": {name: {"title": f"By {name}"} for name in CHANNELS},
        "providers": {name: {"free": {"form": [1]}} for name in PROVIDERS},
    },
}


@pytest.fixture
def project(gateway: Gateway) -> Project:
    """A project of this test's own."""
    return project_of(command(gateway, "project", "create", "broadcasts"))


async def post(http: httpx.AsyncClient, admin: dict[str, str] = ADMIN, **fields: Any) -> httpx.Response:
    body = {"title": "Hello", "recipients": [{"external_id": "ada"}], **fields}
    return await http.post("/v2/broadcasts", headers=admin, json=body)


async def finished(http: httpx.AsyncClient, broadcast_id: str, admin: dict[str, str] = ADMIN) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            response = await http.get(f"/v2/broadcasts/{broadcast_id}", headers=admin)
            found: dict[str, Any] = response.raise_for_status().json()
            if found["status"]["status"] == "processed":
                return found
            await asyncio.sleep(0.01)


async def test_a_broadcast_has_the_fields_that_were_sent_and_is_processed_soon(
    http: httpx.AsyncClient, user: str
) -> None:
    response = await post(http, recipients=[{"external_id": user}], **EVERYTHING)
    assert response.status_code == 201, response.text
    accepted = response.json()
    assert accepted == {
        "id": accepted["id"],
        "title": "Hello",
        **EVERYTHING,
        "created_at": accepted["created_at"],
        "recipients": [{"external_id": user}],
        "status": {"status": "enqueued", "summary": {"total": 0, "failures": 0}, "errors": []},
    }
    status = {"status": "processed", "summary": {"total": 1, "failures": 0}, "errors": []}
    assert await finished(http, accepted["id"]) == {**accepted, "status": status}
    (item,) = (await http.get("/notifications", headers=user_headers(user))).json()["notifications"]
    assert (item["id"], item["title"], item["category"]) == (accepted["id"], "By in_app", "a/b:c.d-e_f")


async def test_fields_that_are_absent_are_null_and_those_that_the_gateway_assigns_are_ignored(
    http: httpx.AsyncClient,
) -> None:
    sent = (await post(http, id="mine", created_at="never", status={}, category="", topic=None)).json()
    assert sent["id"] != "mine"
    absent = ("content", "action_url", "category", "topic", "custom_attributes", "overrides")
    assert [sent[name] for name in absent] == [None] * len(absent)
    assert sent["status"]["status"] == "enqueued"


async def test_a_broadcast_of_either_version_is_shown_by_both(http: httpx.AsyncClient, project: Project) -> None:
    admin = project.admin
    v2 = (await post(http, admin, overrides={"providers": {"sendgrid": {"asm": 1}}})).json()
    body = {"broadcast": {"title": "v1", "recipients": [{"matches": "*"}], "overrides": v2["overrides"]}}
    v1 = (await http.post("/broadcasts", headers=admin, json=body)).json()["broadcast"]
    for broadcast in (v1, v2):
        ours = await finished(http, broadcast["id"], admin)
        theirs = (await http.get(f"/broadcasts/{broadcast['id']}", headers=admin)).json()["broadcast"]
        same = ("id", "title", "recipients", "overrides", "status")
        assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}
        assert (ours["category"], theirs["category"]) == (None, "")
    listed = [(await http.get(path, headers=admin)).json() for path in ("/v2/broadcasts", "/broadcasts")]
    ids = [[each["id"] for each in page] for page in (listed[0]["data"], listed[1]["broadcasts"])]
    assert ids[0] == ids[1]
    assert set(ids[0]) == {v1["id"], v2["id"]}


async def test_broadcasts_are_paged_in_both_styles_and_both_directions(
    http: httpx.AsyncClient, project: Project
) -> None:
    admin = project.admin
    ids = [(await post(http, admin)).json()["id"] for _ in range(5)]

    async def page(address: str) -> tuple[list[str], dict[str, Any]]:
        found = (await http.get(address, headers=admin)).raise_for_status().json()
        return [each["id"] for each in found["data"]], found["links"]

    everything, links = await page("/v2/broadcasts")
    assert (sorted(everything), links["next"], links["prev"]) == (sorted(ids), None, None)
    first, links = await page("/v2/broadcasts?page[size]=2")
    assert (first, links["prev"]) == (everything[:2], None)
    second, links = await page(links["next"])
    assert second == everything[2:4]
    last, links_of_last = await page(links["next"])
    assert (last, links_of_last["next"]) == (everything[4:], None)
    assert (await page(links["prev"]))[0] == first
    assert (await page(f"/v2/broadcasts?limit=2&starting_after={everything[1]}"))[0] == second
    assert (await page(f"/v2/broadcasts?limit=2&ending_before={everything[4]}"))[0] == second


async def test_a_recipient_that_names_two_users_is_a_failure_and_the_others_get_it(
    http: httpx.AsyncClient, user: str
) -> None:
    email = "broadcast-conflict@example.com"
    for name in ({"external_id": user}, {"email": email}):
        (await http.post("/users", headers=ADMIN, json={"user": name})).raise_for_status()
    recipients = [{"external_id": user, "email": email}, {"external_id": f"{user}-2"}]
    found = await finished(http, (await post(http, recipients=recipients)).json()["id"])
    message = "Param 'recipients[0]' has the external_id of one user and the email of another"
    assert found["status"]["summary"] == {"total": 2, "failures": 1}
    assert found["status"]["errors"] == [{"message": message}]


async def test_a_repeated_request_gets_the_first_response_and_is_one_broadcast(
    http: httpx.AsyncClient, project: Project
) -> None:
    admin = {**project.admin, "Idempotency-Key": "k"}
    first, second = [await post(http, admin) for _ in range(2)]
    assert (second.status_code, second.content) == (201, first.content)
    assert len((await http.get("/v2/broadcasts", headers=project.admin)).json()["data"]) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"category": "a b"}, "Param 'category' must be made of letters, digits, and _ . - / :"),
        ({"topic": "ä"}, "Param 'topic' must be made of letters, digits, and _ . - / :"),
        ({"recipients": []}, "Param 'recipients' must have 1 to 1000 items"),
        ({"recipients": [{"topic": {"subscribers": True}}]}, "Param 'topic' is missing"),
        ({"overrides": {"channels": {"in_app": {"title": 1}}}}, "Param 'overrides.channels.in_app.title' must be a"),
        ({"overrides": {"channels": {"fax": {}}}}, "Param 'overrides.channels.fax' is not known"),
        ({"overrides": {"providers": {"mailgun": []}}}, "Param 'overrides.providers.mailgun' must be a hash"),
        ({"colour": "red"}, "Param 'colour' is not known"),
    ],
)
async def test_an_invalid_field_is_refused_by_name(
    http: httpx.AsyncClient, fields: dict[str, Any], message: str
) -> None:
    response = await post(http, **fields)
    assert response.status_code == 422
    (found,) = messages(response)
    assert found.startswith(message)


async def test_an_unknown_broadcast_is_not_found(http: httpx.AsyncClient) -> None:
    for name in ("x", "00000000-0000-0000-0000-000000000000"):
        response = await http.get(f"/v2/broadcasts/{name}", headers=ADMIN)
        assert (response.status_code, messages(response)) == (404, ["Broadcast not found"])


async def test_the_audience_is_counted_and_nobody_is_created(http: httpx.AsyncClient, project: Project) -> None:
    async def audience(**body: Any) -> httpx.Response:
        return await http.post("/v2/broadcasts/audience", headers=project.admin, json=body)

    for name in ("ada", "bob"):
        plan = {"custom_attributes": {"plan": "pro" if name == "ada" else "free"}}
        (
            await http.post("/users", headers=project.admin, json={"user": {"external_id": name, **plan}})
        ).raise_for_status()
    new = {"external_id": "new"}
    assert (await audience(recipients=[{"matches": "*"}, new])).json() == {
        "count": 3,
        "is_exact": True,
        "margin": 0,
        "examined": 0,
    }
    pro = {"matches": 'custom_attributes.plan = "pro"'}
    assert (await audience(title="t", recipients=[pro], **EVERYTHING)).json()["count"] == 1
    assert (await audience(recipients=[{"matches": "*"}])).json()["count"] == 2, "nobody was created"
    refused = await audience(recipients=[{"topic": {"subscribers": True}}])
    assert (refused.status_code, messages(refused)) == (422, ["Param 'topic' is missing"])


async def test_a_cancelled_broadcast_says_so_and_one_that_is_done_stays_done(
    http: httpx.AsyncClient, project: Project
) -> None:
    async def cancel(broadcast_id: str) -> httpx.Response:
        return await http.post(f"/v2/broadcasts/{broadcast_id}/cancel", headers=project.admin)

    done = (await post(http, project.admin)).json()
    await finished(http, done["id"], project.admin)
    assert (await cancel(done["id"])).json()["status"]["status"] == "processed"
    people = [{"external_id": f"u{number}"} for number in range(1000)]
    sent = (await post(http, project.admin, recipients=people)).json()
    first, second = await cancel(sent["id"]), await cancel(sent["id"])
    assert first.status_code == second.status_code == 200
    assert first.json()["status"]["status"] == second.json()["status"]["status"] in ("cancelled", "processed")
    listed = (await http.get("/broadcasts", headers=project.admin)).json()["broadcasts"][0]
    assert (listed["id"], listed["status"]["status"]) == (sent["id"], first.json()["status"]["status"])
    assert (await cancel("6f1c24ff-3b80-4d5f-9c4c-3c6d1c1f6f5e")).status_code == 404


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_in_a_csv_file_is_no_formula_of_a_spreadsheet(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert cell(f"Param {text}") == f"Param {text}"


async def test_errors_are_downloaded_as_csv(http: httpx.AsyncClient, project: Project) -> None:
    for names in ({"external_id": "a"}, {"email": "b@example.com"}):
        (await http.post("/users", headers=project.admin, json={"user": names})).raise_for_status()
    sent = (await post(http, project.admin, recipients=[{"external_id": "a", "email": "b@example.com"}])).json()
    await finished(http, sent["id"], project.admin)
    response = await http.get(f"/v2/broadcasts/{sent['id']}/errors.csv", headers=project.admin)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.text.splitlines() == [
        "number,message",
        "1,Param 'recipients[0]' has the external_id of one user and the email of another",
    ]
