"""Random input over HTTP: every response follows the contract, and none is a 500."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.inbox import notification
from tests.api.tokens import bearer, claims_of, encoded, token
from tests.servers import ADMIN, Gateway, user_headers

EXAMPLES = 100

TEXT = st.text(st.characters(exclude_categories=()), max_size=300)
"""Any characters, halves of surrogate pairs among them."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXT, children, max_size=4),
    max_leaves=12,
)

PERSON = st.fixed_dictionaries(
    {},
    optional={
        "external_id": st.sampled_from(["ada", "bob", ""]) | JSON,
        "email": st.sampled_from(["ada@x.y", "bob@x.y", "nobody", ""]) | JSON,
        "first_name": TEXT | JSON,
        "custom_attributes": st.dictionaries(TEXT, JSON) | JSON,
        "phone_numbers": st.lists(TEXT) | JSON,
        "matches": JSON,
    },
)

NOTIFICATION = st.fixed_dictionaries(
    {
        "title": TEXT | JSON,
        "recipients": st.lists(PERSON | st.just({"external_id": "ada"}), max_size=4) | JSON,
    },
    optional={
        "content": TEXT | JSON,
        "category": TEXT | JSON,
        "topic": TEXT | JSON,
        "custom_attributes": st.dictionaries(TEXT, JSON) | JSON,
        "overrides": st.fixed_dictionaries({"channels": st.fixed_dictionaries({"in_app": JSON})}) | JSON,
    },
)


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    """One connection for all examples."""
    with httpx.Client(base_url=gateway.url) as opened:
        yield opened


def assert_well_formed(response: httpx.Response) -> None:
    """Check that an error has messages, and a success the id of what was sent."""
    if response.status_code == 201:
        assert UUID(response.json()["notification"]["id"])
    else:
        assert all(problem["message"] for problem in response.json()["errors"])


@given(body=st.fixed_dictionaries({"notification": NOTIFICATION}) | JSON)
@settings(max_examples=3 * EXAMPLES)
def test_any_json_is_sent_or_refused(client: httpx.Client, body: Any) -> None:
    response = client.post("/notifications", headers=ADMIN, content=json.dumps(body))
    assert response.status_code in (201, 400, 422), response.text
    assert_well_formed(response)


@given(body=st.binary(max_size=200))
@settings(max_examples=EXAMPLES)
def test_any_bytes_are_refused(client: httpx.Client, body: bytes) -> None:
    response = client.post("/notifications", headers=ADMIN, content=body)
    assert response.status_code in (400, 422), response.text
    assert_well_formed(response)


@given(name=st.sampled_from(["title", "content", "category", "topic", "custom_attributes"]), value=JSON)
@settings(max_examples=EXAMPLES)
def test_a_sent_notification_is_listed_with_the_same_fields(client: httpx.Client, name: str, value: Any) -> None:
    body = notification("params", **{name: value})
    sent = client.post("/notifications", headers=ADMIN, content=json.dumps(body))
    if sent.status_code == 201:
        created = sent.json()["notification"]
        item = client.get(f"/notifications/{created['id']}", headers=user_headers("params")).json()["notification"]
        assert {field: item[field] for field in created} == created
        assert created[name] == value or not value


QUERY = st.lists(
    st.tuples(
        st.sampled_from(["page", "per_page", "read", "seen", "archived", "categories", "topics[]", "since", "x"]),
        st.sampled_from(["1", "true", "0", "a,b", "uncategorized"]) | st.text(max_size=120),
    ),
    max_size=6,
)


@given(query=QUERY)
@settings(max_examples=EXAMPLES)
@pytest.mark.parametrize("path", ["/notifications", "/realtime/events"])
def test_any_query_is_accepted_or_refused(client: httpx.Client, path: str, query: list[tuple[str, str]]) -> None:
    response = client.get(path, headers=user_headers("ada"), params=tuple(query))
    assert response.status_code in (200, 422), response.text


@given(claims=JSON | st.fixed_dictionaries({"api_key": JSON, "exp": JSON, "user_external_id": JSON}))
@settings(max_examples=EXAMPLES)
def test_any_claims_are_refused_as_a_credential(client: httpx.Client, claims: Any) -> None:
    assert client.get("/config", headers=bearer(token(claims))).status_code == 401


@given(more=st.dictionaries(st.sampled_from(["exp", "user_external_id", "user_email", "nbf", "sub", "aud"]), JSON))
@settings(max_examples=EXAMPLES)
def test_any_claims_signed_by_the_project_are_accepted_or_refused(client: httpx.Client, more: dict[str, Any]) -> None:
    response = client.get("/config", headers=bearer(token(claims_of("ada", **more))))
    assert response.status_code in (200, 401, 422), response.text


@given(head=JSON, signature=st.binary(max_size=40))
@settings(max_examples=EXAMPLES)
def test_any_head_of_a_token_is_refused(client: httpx.Client, head: Any, signature: bytes) -> None:
    forged = f"{encoded(head)}.{encoded(claims_of('ada'))}.{encoded(signature)}"
    assert client.get("/config", headers=bearer(forged)).status_code == 401
