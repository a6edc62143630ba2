"""Topic subscriptions: subscribing, unsubscribing, and what reaches the inbox after that."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from gateway.store.categories import MAX_CATEGORIES
from tests.api.inbox import Inbox, code, messages
from tests.servers import ADMIN


def category_status(slug: str, reason: str | None, status: str = "subscribed") -> dict[str, Any]:
    """Return a category in the form of responses."""
    return {"slug": slug, "reason": reason, "status": status}


async def call(inbox: Inbox, method: str, path: str, value: Any = None) -> dict[str, Any]:
    """Make a call, and return the subscription of the response."""
    response = await inbox.request(method, path, json={"subscription": value} if value else None)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    assert found.keys() == {"subscription"}
    subscription: dict[str, Any] = found["subscription"]
    return subscription


async def subscribe(inbox: Inbox, topic: str, **reasons: str | None) -> dict[str, Any]:
    """Subscribe to categories. `all_of_it` stands for `*`."""
    return await call(inbox, "POST", "/subscriptions", {"topic": topic, "categories": _categories(reasons)})


async def unsubscribe(inbox: Inbox, topic: str, *slugs: str) -> dict[str, Any]:
    """Unsubscribe from categories."""
    categories = [{"slug": slug} for slug in slugs]
    return await call(inbox, "POST", f"/subscriptions/{quote(topic, safe='')}/unsubscribe", {"categories": categories})


def _categories(reasons: dict[str, str | None]) -> list[dict[str, str]]:
    named = {slug.replace("all_of_it", "*"): reason for slug, reason in reasons.items()}
    return [{"slug": slug, **({"reason": reason} if reason else {})} for slug, reason in named.items()]


async def topics(inbox: Inbox) -> list[str]:
    """Return the topics of the list."""
    return [one["topic"] for one in (await inbox.get("/subscriptions"))["subscriptions"]]


# ---- the five operations


async def test_a_new_user_has_no_subscriptions(inbox: Inbox) -> None:
    assert await inbox.get("/subscriptions") == {"subscriptions": []}


async def test_a_subscription_has_the_same_form_in_every_response(inbox: Inbox) -> None:
    response = await subscribe(inbox, "acme.orders.1", comments="watching-the-repo", billing=None)
    assert response == {
        "topic": "acme.orders.1",
        "categories": [category_status("billing", None), category_status("comments", "watching-the-repo")],
    }
    assert await inbox.get("/subscriptions") == {"subscriptions": [response]}
    assert await inbox.get("/subscriptions/acme.orders.1") == {"subscription": response}


async def test_subscribing_adds_to_existing_subscriptions(inbox: Inbox) -> None:
    await subscribe(inbox, "t", a="first")
    response = await subscribe(inbox, "t", b="second")
    assert response["categories"] == [category_status("a", "first"), category_status("b", "second")]


async def test_unsubscribing_keeps_the_reason_and_subscribing_again_ends_it(inbox: Inbox) -> None:
    await subscribe(inbox, "t", a="because", b=None)
    response = await unsubscribe(inbox, "t", "a")
    assert response == {
        "topic": "t",
        "categories": [category_status("a", "because", "unsubscribed"), category_status("b", None)],
    }
    assert (await subscribe(inbox, "t", a=None))["categories"] == [
        category_status("a", "because"),
        category_status("b", None),
    ]


async def test_a_user_that_never_subscribed_may_unsubscribe(inbox: Inbox) -> None:
    response = await unsubscribe(inbox, "t", "a")
    assert response == {"topic": "t", "categories": [category_status("a", None, "unsubscribed")]}
    assert await inbox.get("/subscriptions/t") == {"subscription": response}


async def test_a_deleted_subscription_is_not_found(inbox: Inbox) -> None:
    await subscribe(inbox, "t", a=None)
    await subscribe(inbox, "u", a=None)
    response = await inbox.request("DELETE", "/subscriptions/t", content=b"null")
    assert (response.status_code, response.content) == (204, b"")
    assert await topics(inbox) == ["u"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_topic_that_was_never_subscribed_returns_404(inbox: Inbox, method: str) -> None:
    for path in ("/subscriptions/t", f"/subscriptions/{'x' * 200}"):
        response = await inbox.request(method, path)
        assert (response.status_code, code(response), messages(response)) == (404, "not_found", ["Topic not found"])


async def test_topics_are_listed_in_order(inbox: Inbox) -> None:
    for topic in ("b", "a", "c"):
        await unsubscribe(inbox, topic, "*")
    assert await topics(inbox) == ["a", "b", "c"]


@pytest.mark.parametrize("topic", ["a/b", "/a//b/", "100 %", "ünï?#", "unsubscribe", "a/unsubscribe", "{}", "%2F"])
async def test_a_topic_may_hold_any_characters(inbox: Inbox, topic: str) -> None:
    await subscribe(inbox, topic, a="r")
    response = await unsubscribe(inbox, topic, "a")
    assert response == {"topic": topic, "categories": [category_status("a", "r", "unsubscribed")]}
    path = f"/subscriptions/{quote(topic, safe='')}"
    assert (await inbox.get(path))["subscription"] == response
    assert (await inbox.request("DELETE", path)).status_code == 204


# ---- what is refused


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, ["' is missing"]),
        ({"subscription": "t"}, ["' must be a hash"]),
        ({"subscription": {}}, [".topic' is missing", ".categories' is missing"]),
        (
            {"subscription": {"topic": "x" * 101, "categories": []}},
            [".topic' must have at most 100 characters", f".categories' must have 1 to {MAX_CATEGORIES} items"],
        ),
        (
            {"subscription": {"topic": 5, "categories": [{"reason": "r" * 256}, None, {"slug": "x" * 101}]}},
            [
                ".topic' must be a string",
                ".categories[0].slug' is missing",
                ".categories[0].reason' must have at most 255 characters",
                ".categories[1]' is missing",
                ".categories[2].slug' must have at most 100 characters",
            ],
        ),
    ],
)
async def test_a_bad_subscription_is_refused_and_every_field_named(
    inbox: Inbox, sent: Any, expected: list[str]
) -> None:
    response = await inbox.request("POST", "/subscriptions", json=sent)
    assert response.status_code == 422
    assert messages(response) == [f"Param 'subscription{problem}" for problem in expected]
    assert await topics(inbox) == []


@pytest.mark.parametrize(
    ("path", "sent", "expected"),
    [
        ("t", {}, "Param 'subscription' is missing"),
        ("t", {"subscription": {}}, "Param 'subscription.categories' is missing"),
        ("t", {"subscription": {"categories": [{}]}}, "Param 'subscription.categories[0].slug' is missing"),
        (
            "x" * 101,
            {"subscription": {"categories": [{"slug": "a"}]}},
            "Param 'topic' must have at most 100 characters",
        ),
    ],
)
async def test_a_bad_unsubscription_is_refused(inbox: Inbox, path: str, sent: Any, expected: str) -> None:
    response = await inbox.request("POST", f"/subscriptions/{path}/unsubscribe", json=sent)
    assert (response.status_code, messages(response)) == (422, [expected])
    assert await topics(inbox) == []


async def test_the_number_of_categories_of_a_topic_is_bounded(inbox: Inbox) -> None:
    await subscribe(inbox, "t", **{f"c{number}": None for number in range(MAX_CATEGORIES)})
    response = await inbox.request(
        "POST", "/subscriptions", json={"subscription": {"topic": "t", "categories": [{"slug": "more"}]}}
    )
    assert (response.status_code, messages(response)) == (
        422,
        [f"Param 'subscription.categories' would leave the user with more than {MAX_CATEGORIES} categories"],
    )


# ---- what reaches the inbox


async def test_a_list_is_paged_by_name_if_the_query_has_a_page(inbox: Inbox) -> None:
    for topic in ("c", "a", "b"):
        await subscribe(inbox, topic, all_of_it=None)
    second = await inbox.get("/subscriptions?per_page=2&page=2")
    numbers = {name: second.pop(name) for name in ("total", "total_pages", "per_page", "current_page")}
    assert numbers == {"total": 3, "total_pages": 2, "per_page": 2, "current_page": 2}
    assert [topic["topic"] for topic in second["subscriptions"]] == ["c"]
    first = await inbox.get("/subscriptions?per_page=2")
    assert [topic["topic"] for topic in first["subscriptions"]] == ["a", "b"]
    assert (await inbox.get("/subscriptions?page=9"))["subscriptions"] == []


@pytest.mark.parametrize("query", ["per_page=0", "per_page=5001", "page=0", "page=x"])
async def test_an_invalid_page_of_subscriptions_is_refused(inbox: Inbox, query: str) -> None:
    response = await inbox.request("GET", f"/subscriptions?{query}")
    assert response.status_code == 422
    assert f"Param '{query.partition('=')[0]}'" in messages(response)[0]


async def test_a_user_cannot_store_more_than_a_megabyte_and_the_refusal_names_the_bound(inbox: Inbox) -> None:
    headers = {**inbox.headers, "X-MAGICBELL-API-SECRET": ADMIN["X-MAGICBELL-API-SECRET"]}
    categories = [{"slug": f"{number:03}" + "c" * 97, "reason": "r" * 250} for number in range(250)]
    for number in range(12):
        body = {"subscription": {"topic": f"t{number}", "categories": categories}}
        response = await inbox.request("POST", "/subscriptions", headers, json=body)
        if response.status_code != 200:
            break
    assert response.status_code == 422
    expected = "would leave the user with more than 1000000 bytes of topics, categories and reasons"
    assert messages(response) == [f"Param 'subscription.topic' {expected}"]
    listed = await inbox.get("/subscriptions")
    assert len(listed["subscriptions"]) == number
    assert len(json.dumps(listed)) < 2_000_000


async def test_a_topic_that_is_too_large_is_refused(inbox: Inbox) -> None:
    categories = [{"slug": f"{number:03}" + "ü" * 97, "reason": "ä" * 250} for number in range(250)]
    body = {"subscription": {"topic": "t", "categories": categories}}
    response = await inbox.request("POST", "/subscriptions", json=body)
    assert response.status_code == 422
    expected = "would leave the user with more than 100000 bytes of categories and reasons in the topic"
    assert messages(response) == [f"Param 'subscription.categories' {expected}"]


async def test_an_unsubscribed_category_of_a_topic_no_longer_reaches_the_inbox(inbox: Inbox) -> None:
    await unsubscribe(inbox, "t", "a")
    start = (await inbox.events())["position"]
    await inbox.receive("muted", topic="t", category="a")
    await inbox.receive("other category", topic="t", category="b")
    await inbox.receive("other topic", topic="u", category="a")
    await inbox.receive("no topic", category="a")
    assert await inbox.titles() == ["no topic", "other topic", "other category"]
    assert len((await inbox.events(start))["events"]) == (await inbox.page())["unread_count"] == 3


async def test_subscribing_again_lets_notifications_through(inbox: Inbox) -> None:
    await unsubscribe(inbox, "t", "a")
    await subscribe(inbox, "t", a=None)
    await inbox.receive("delivered", topic="t", category="a")
    assert await inbox.titles() == ["delivered"]


async def test_a_deleted_unsubscription_no_longer_mutes(inbox: Inbox) -> None:
    await unsubscribe(inbox, "t", "*")
    await inbox.request("DELETE", "/subscriptions/t")
    await inbox.receive("delivered", topic="t")
    assert await inbox.titles() == ["delivered"]


async def test_a_star_means_every_category_of_the_topic_named_or_not(inbox: Inbox) -> None:
    await subscribe(inbox, "t", a="r")
    response = await unsubscribe(inbox, "t", "*")
    assert response["categories"] == [
        category_status("*", None, "unsubscribed"),
        category_status("a", "r", "unsubscribed"),
    ]
    for category in ("a", "b", None):
        await inbox.receive("muted", topic="t", category=category)
    await subscribe(inbox, "t", b=None)  # an exception
    for category in ("a", "b", None):
        await inbox.receive(f"{category}", topic="t", category=category)
    await subscribe(inbox, "t", all_of_it="all")  # and the end of all exceptions
    await inbox.receive("all", topic="t", category="a")
    assert await inbox.titles() == ["all", "b"]


async def test_uncategorized_stands_for_notifications_of_the_topic_without_a_category(inbox: Inbox) -> None:
    response = await unsubscribe(inbox, "t", "uncategorized")
    assert response["categories"] == [category_status("uncategorized", None, "unsubscribed")]
    await inbox.receive("muted", topic="t")
    await inbox.receive("delivered", topic="t", category="a")
    assert await inbox.titles() == ["delivered"]


# ---- isolation of users


async def test_subscriptions_of_one_user_do_not_affect_another(inbox: Inbox) -> None:
    bob = Inbox(inbox.http, f"{inbox.external_id}-bob")
    mine = await subscribe(inbox, "t", a="r")
    assert (await bob.request("GET", "/subscriptions/t")).status_code == 404
    assert (await bob.request("DELETE", "/subscriptions/t")).status_code == 404
    await unsubscribe(bob, "t", "*")
    assert await inbox.get("/subscriptions") == {"subscriptions": [mine]}
    await inbox.receive("mine", topic="t", category="a")
    await bob.receive("muted", topic="t", category="a")
    assert (await inbox.titles(), await bob.titles()) == (["mine"], [])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/subscriptions"),
        ("POST", "/subscriptions"),
        ("GET", "/subscriptions/t"),
        ("DELETE", "/subscriptions/t"),
        ("POST", "/subscriptions/t/unsubscribe"),
    ],
)
async def test_a_project_without_a_user_has_no_subscriptions(http: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await http.request(method, path, headers=ADMIN, json={})).status_code == 401
