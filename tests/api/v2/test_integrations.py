"""The integrations of a project: saved with encrypted secrets, shown without them, and generated from the registry."""

import base64
import dataclasses
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import redis

from gateway.api.core import openapi
from gateway.api.core.openapi import Addition
from gateway.api.operations import OPERATIONS
from gateway.api.v2.integrations import IntegrationsResource, operations_of
from gateway.channels import expo, github, sendgrid, ses
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.registry import INTEGRATION_KINDS
from gateway.channels.secret_param import REDACTED, Secret, with_secrets, without_secrets
from gateway.domain.ids import ProjectId
from gateway.domain.objects import Object
from gateway.domain.params import Text
from gateway.store.integrations import IntegrationStore
from gateway.store.lanes import LaneStore
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from tests.api.core.calls import project_call, request_of
from tests.api.inbox import messages
from tests.api.projects import Project as OtherProject
from tests.api.projects import command, project_of
from tests.servers import Gateway
from tests.store.conftest import InspectedClient

PATH = "/v2/integrations"


@pytest.fixture(scope="module")
def project(gateway: Gateway) -> OtherProject:
    """A project that only this module uses."""
    return project_of(command(gateway, "project", "create", "integrations"))


@pytest.fixture
def client(gateway: Gateway, project: OtherProject) -> Iterator[httpx.Client]:
    """A client of that project's backend. The project has no integration at first."""
    with httpx.Client(base_url=gateway.url + PATH, timeout=30, headers=project.admin) as client:
        for kind in INTEGRATION_KINDS:
            assert client.delete(f"/{kind.name}").status_code == 204
        yield client


def saved(client: httpx.Client, kind: IntegrationKind, **changes: Any) -> dict[str, Any]:
    """Save the example of a kind with some fields changed, and return the listed entry."""
    response = client.put(f"/{kind.name}", json={**kind.example, **changes})
    assert response.status_code == 200, response.text
    (entry,) = client.get(f"/{kind.name}").json()["data"]
    assert entry["config"] == response.json()
    found: dict[str, Any] = entry
    return found


def redacted(kind: IntegrationKind) -> dict[str, Any]:
    """Return the example of a kind with its secrets redacted, and null where a response has null."""
    plain, secrets = without_secrets(kind.example, kind.secrets)
    return {**dict.fromkeys(kind.nullable), **with_secrets(plain, dict.fromkeys(secrets, REDACTED))}


def test_every_kind_is_saved_shown_redacted_and_deleted(client: httpx.Client) -> None:
    for kind in INTEGRATION_KINDS:
        entry = saved(client, kind)
        assert entry == {"config": redacted(kind), "id": entry["id"], "name": kind.name}
        listed = client.get("").json()
        assert listed == {
            "data": [entry],
            "links": {"first": f"{PATH}?page%5Bsize%5D=50", "next": None, "prev": None},
        }
        assert client.delete(f"/{kind.name}/{uuid4()}").status_code == 404
        assert client.delete(f"/{kind.name}/x").status_code == 404
        assert client.delete(f"/{kind.name}/{entry['id']}").status_code == 204
        assert client.delete(f"/{kind.name}/{entry['id']}").status_code == 404
        assert client.get(f"/{kind.name}").json()["data"] == []


def test_a_response_can_be_saved_again_and_keeps_the_secrets_and_the_id(client: httpx.Client) -> None:
    for kind in INTEGRATION_KINDS:
        entry = saved(client, kind)
        again = client.put(f"/{kind.name}", json=entry["config"])
        assert (again.status_code, again.json()) == (200, entry["config"])
        assert client.get(f"/{kind.name}").json()["data"] == [entry]


def test_a_redacted_secret_of_an_integration_that_is_not_saved_is_refused(client: httpx.Client) -> None:
    response = client.put("/github", json={"webhook_signing_secret": REDACTED})
    assert (response.status_code, messages(response)) == (
        422,
        ["Param 'webhook_signing_secret' is redacted, and there is no saved value to keep"],
    )
    assert client.get("/github").json()["data"] == []


def test_a_password_is_not_kept_for_another_mail_server(client: httpx.Client) -> None:
    (smtp,) = (kind for kind in INTEGRATION_KINDS if kind.name == "smtp")
    entry = saved(client, smtp)
    moved = client.put("/smtp", json={**entry["config"], "host": "mail.elsewhere.example.org"})
    assert messages(moved) == ["Param 'password' must be sent again, because 'host' has changed"]
    assert client.get("/smtp").json()["data"] == [entry]


def test_a_configuration_that_is_not_valid_changes_nothing(client: httpx.Client) -> None:
    entry = saved(client, github.INTEGRATION)
    bodies: tuple[Any, ...] = ({}, {"webhook_signing_secret": 5}, {"webhook_signing_secret": "x", "more": 1}, [], "x")
    for body in bodies:
        assert client.put("/github", json=body).status_code == 422
    assert client.put("/github", content=b"{").status_code == 400
    assert client.put("/github", content=b'{"a": "' + b"x" * 70_000 + b'"}').status_code == 413
    assert client.get("/github").json()["data"] == [entry]


@pytest.mark.parametrize("module", [expo, sendgrid, ses])
def test_a_credential_that_would_end_its_header_is_refused_with_its_name(client: httpx.Client, module: Any) -> None:
    kind = module.INTEGRATION
    name = {"expo": "access_token", "sendgrid": "api_key", "ses": "key_id"}[kind.name]
    for value in ("key\r\nX-Evil: 1", "key\n", "a key", "k\u00e9y", "\u202ekey"):
        response = client.put(f"/{kind.name}", json={**kind.example, name: value})
        assert response.status_code == 422, response.text
        assert f"'{name}'" in response.text
    assert client.get(f"/{kind.name}").json()["data"] == []


def test_templates_are_saved_by_a_request_without_a_body_which_other_kinds_refuse(client: httpx.Client) -> None:
    assert client.put("/templates").status_code == 200
    refused = client.put("/expo")
    assert refused.status_code == 400


def test_an_unknown_kind_does_not_exist(client: httpx.Client) -> None:
    for method, path in (("GET", "/nothing"), ("PUT", "/nothing"), ("DELETE", "/nothing"), ("DELETE", "/nothing/x")):
        assert client.request(method, path, json={}).status_code == 404


def test_the_list_is_paged_in_both_styles_newest_first(client: httpx.Client) -> None:
    kinds = INTEGRATION_KINDS[:5]
    ids = [saved(client, kind)["id"] for kind in kinds]
    newest_first = sorted(ids, reverse=True)  # those of one second are in no order
    for first in (f"{PATH}?page[size]=2", f"{PATH}?limit=2"):
        pages, address = [], first
        while address:
            page = client.get(str(client.base_url).replace(f"{PATH}/", "") + address).json()
            pages.append([entry["id"] for entry in page["data"]])
            last, address = page, page["links"]["next"]
        assert [len(each) for each in pages] == [2, 2, 1]
        assert [each for page_ids in pages for each in page_ids] == newest_first
        back = client.get(str(client.base_url).replace(f"{PATH}/", "") + last["links"]["prev"]).json()
        assert [entry["id"] for entry in back["data"]] == pages[1]
    assert client.get("", params={"page[after]": newest_first[-1]}).json()["data"] == []


def test_a_project_does_not_see_the_integrations_of_another(gateway: Gateway, client: httpx.Client) -> None:
    entry = saved(client, github.INTEGRATION)
    other = project_of(command(gateway, "project", "create", "another"))
    with httpx.Client(base_url=gateway.url + PATH, headers=other.admin) as stranger:
        assert stranger.get("").json()["data"] == []
        assert stranger.delete(f"/github/{entry['id']}").status_code == 404
        assert stranger.delete("/github").status_code == 204
    assert client.get("/github").json()["data"] == [entry]


# ---- what is stored


def spellings(secret: str) -> set[bytes]:
    """Return the forms in which a secret could lie in the store."""
    raw = secret.encode()
    encoded = base64.b64encode(raw), base64.urlsafe_b64encode(raw)
    longest = max(secret.replace("\\n", "\n").split("\n"), key=len)  # a PEM is searched by one of its lines
    return {raw, json.dumps(secret)[1:-1].encode(), longest.encode(), *(each.rstrip(b"=") for each in encoded)}


def everything(server: "redis.Redis") -> bytes:
    """Return all that a server holds: names, values and members."""
    readers: dict[Any, Any] = {
        b"none": lambda key: b"",  # it has expired since the scan
        b"string": lambda key: server.get(key) or b"",
        b"hash": server.hgetall,
        b"set": server.smembers,
        b"zset": lambda key: server.zrange(key, 0, -1, withscores=True),
        b"list": lambda key: server.lrange(key, 0, -1),
        b"stream": server.xrange,
    }
    found = []
    for key in server.scan_iter(count=1000):
        value = readers[server.type(key)](key)
        found.append(key + b" " + _bytes_in(value))
    return b"\n".join(found)


def _bytes_in(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    return b" ".join(map(_bytes_in, value)) if isinstance(value, list | tuple | set) else b""


def test_nothing_that_is_stored_or_logged_contains_a_secret(gateway: Gateway, client: httpx.Client) -> None:
    secrets: dict[str, str] = {}
    for kind in INTEGRATION_KINDS:
        saved(client, kind)
        client.put(f"/{kind.name}", json={**kind.example, "unknown": 1})
        client.put(f"/{kind.name}", json={**kind.example, **{path: [1] for path in kind.secrets}})
        _, found = without_secrets(kind.example, kind.secrets)
        secrets |= {f"{kind.name} {path}": value for path, value in found.items()}
    assert len(secrets) == 15
    with redis.Redis(unix_socket_path=str(gateway.data_dir / "valkey" / "valkey.sock")) as server:
        stored = everything(server)
    assert b"webhook_signing_secret" in stored  # the names of secrets are stored
    for name, secret in secrets.items():
        for spelling in spellings(secret):
            assert spelling not in stored, name
            assert spelling not in gateway.log.encode(), name


def test_saving_and_deleting_are_events_without_values(gateway: Gateway, client: httpx.Client) -> None:
    entry = saved(client, github.INTEGRATION)
    client.delete("/github")
    client.delete("/github")
    with redis.Redis(unix_socket_path=str(gateway.data_dir / "valkey" / "valkey.sock")) as server:
        stored = everything(server)
    named = json.dumps({"integration": "github", "integration_id": entry["id"]}, separators=(",", ":")).encode()
    assert stored.count(named) == 2


# ---- one more kind

EIGHTEENTH = IntegrationKind(
    name="pager",
    title="Pager",
    config=Object(
        required=True,
        name="PagerConfig",
        fields={"key": Secret(required=True, value=Text(required=True, max_length=20)), "team": Text(max_length=20)},
    ),
    example={"key": "beep", "team": "night"},
)


async def test_one_more_kind_needs_nothing_but_its_declaration(gateway: Gateway) -> None:
    client_of_store = InspectedClient(f"unix://{gateway.data_dir}/valkey/valkey.sock")
    await client_of_store.load()
    rows = {(row.method, row.path): row for row in operations_of(EIGHTEENTH)}
    assert len(rows) == 4
    described = openapi.document([*OPERATIONS, *rows.values()], Addition({}, ()))["paths"][f"{PATH}/pager"]
    assert described["put"]["requestBody"]["content"]["application/json"]["example"] == EIGHTEENTH.example
    assert "Save the project's configuration of Pager" in described["put"]["description"]
    store = IntegrationStore(client_of_store, "k", kinds=[*INTEGRATION_KINDS, EIGHTEENTH])
    events = ProjectEvents(ProjectEventLog(client_of_store, EventRetention(0, 0)))
    resource = IntegrationsResource(store, events, LaneStore(client_of_store))
    tenant = dataclasses.replace(project_call(request_of()).project, id=ProjectId("77"))

    async def call(method: str, path: str, body: Any = None) -> Any:
        row = rows[(method, f"{PATH}/{path}")]
        parts = (json.dumps(body).encode(),)
        request = request_of(method, row.path, parts=parts)
        response = await row.handler(resource, project_call(request, row.inputs.body, row.inputs.query, tenant))
        return json.loads(bytes(response.body) or b"null")

    shown = {"key": REDACTED, "team": "night"}
    assert await call("PUT", "pager", EIGHTEENTH.example) == shown
    assert [entry["config"] for entry in (await call("GET", "pager"))["data"]] == [shown]
    assert [kind.name for kind, _ in await store.all(tenant.id)] == ["pager"]
    await call("DELETE", "pager")
    assert (await call("GET", "pager"))["data"] == []
    await client_of_store.aclose()
