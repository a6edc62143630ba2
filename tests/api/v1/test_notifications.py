"""Notifications: listing, filtering and changing them, and pulling events."""

import itertools
from typing import Any
from uuid import uuid4

import pytest

from tests.api.inbox import Inbox, code, messages, notification, positions, send
from tests.servers import ADMIN, Gateway, user_headers

STATES: dict[str, tuple[bool, bool, bool]] = {
    "new": (False, False, False),
    "seen": (False, True, False),
    "read": (True, True, False),
    "archive": (False, False, True),
    "seen archive": (False, True, True),
    "read archive": (True, True, True),
}
"""Title -> read, seen, archived: an item in every state. Its title lists the marks that lead to the state."""


async def fill(inbox: Inbox, prefix: str = "", **fields: Any) -> dict[str, str]:
    """Send an item for each state and mark it; return title -> id, oldest first."""
    items = {}
    for title in STATES:
        items[prefix + title] = item = await inbox.receive(prefix + title, **fields)
        for word in title.split():
            await inbox.do(*([] if word == "new" else [f"{item}/{word}"]))
    return items


def flag(name: str, value: bool | None) -> str:
    """Return a filter as a query string, without the parts that are None."""
    return "" if value is None else f"{name}={str(value).lower()}&"


# ---- the list


async def test_an_empty_inbox_has_one_empty_page(inbox: Inbox) -> None:
    page = await inbox.page()
    assert page == {
        "project_id": page["project_id"],
        "total": 0,
        "total_pages": 1,
        "per_page": 15,
        "current_page": 1,
        "unread_count": 0,
        "unseen_count": 0,
        "notifications": [],
    }


async def test_a_list_has_the_contracts_fields(inbox: Inbox) -> None:
    item = await inbox.receive("Hello", content="x", action_url="https://x.y", category="news", topic="t")
    page = await inbox.page()
    (listed,) = page["notifications"]
    assert {name: value for name, value in page.items() if name not in ("project_id", "notifications")} == {
        "total": 1,
        "total_pages": 1,
        "per_page": 15,
        "current_page": 1,
        "unread_count": 1,
        "unseen_count": 1,
    }
    assert listed == {
        "id": item,
        "title": "Hello",
        "content": "x",
        "action_url": "https://x.y",
        "category": "news",
        "topic": "t",
        "custom_attributes": None,
        "recipient": {
            "id": listed["recipient"]["id"],
            "email": None,
            "external_id": inbox.external_id,
            "first_name": None,
            "last_name": None,
            "custom_attributes": {},
        },
        "seen_at": None,
        "sent_at": listed["sent_at"],
        "read_at": None,
        "archived_at": None,
    }


async def test_an_item_fetched_alone_equals_the_one_in_the_list(inbox: Inbox) -> None:
    item = await inbox.receive(custom_attributes={"a": [1]})
    assert await inbox.get(f"/notifications/{item}") == {"notification": (await inbox.page())["notifications"][0]}


async def test_items_of_one_second_are_listed_newest_first(inbox: Inbox) -> None:
    titles = [str(number) for number in range(10)]
    for title in titles:
        await inbox.receive(title)
    assert await inbox.titles() == titles[::-1]


async def test_all_pages_together_are_the_whole_list_without_gap_or_repetition(inbox: Inbox) -> None:
    items = [await inbox.receive(str(number)) for number in range(31)]
    # In many states, so that a page is merged from several indexes.
    for number, item in enumerate(items):
        await inbox.do(*([[], [f"{item}/seen"], [f"{item}/read"], [f"{item}/archive"]][number % 4]))
    pages = [await inbox.page(f"per_page=7&page={page}") for page in range(1, 7)]
    listed = [item["id"] for page in pages for item in page["notifications"]]
    assert listed == items[::-1]
    assert [len(page["notifications"]) for page in pages] == [7, 7, 7, 7, 3, 0]
    assert {(page["total"], page["total_pages"], page["per_page"]) for page in pages} == {(31, 5, 7)}
    assert [page["current_page"] for page in pages] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("per_page", "total_pages"), [(1, 3), (2, 2), (3, 1), (100, 1)])
async def test_total_pages_is_rounded_up(inbox: Inbox, per_page: int, total_pages: int) -> None:
    for _ in range(3):
        await inbox.receive()
    assert (await inbox.page(f"per_page={per_page}"))["total_pages"] == total_pages


async def test_a_page_far_beyond_the_end_is_empty_and_still_has_the_counts(inbox: Inbox) -> None:
    await inbox.receive()
    page = await inbox.page("page=1000000000&per_page=100")
    assert (page["total"], page["unread_count"], page["notifications"]) == (1, 1, [])


@pytest.mark.parametrize("states", list(itertools.product([None, False, True], repeat=3)))
async def test_the_state_filters_combine_and_the_counts_follow(
    inbox: Inbox, states: tuple[bool | None, bool | None, bool | None]
) -> None:
    await fill(inbox)
    wanted = dict(zip(("read", "seen", "archived"), states, strict=True))
    query = "".join(flag(name, value) for name, value in wanted.items())
    matching = {
        title: state
        for title, state in STATES.items()
        if all(asked in (None, found) for asked, found in zip(states, state, strict=True))
    }
    page = await inbox.page(query)
    assert [item["title"] for item in page["notifications"]] == list(matching)[::-1]
    assert (page["total"], page["unread_count"], page["unseen_count"]) == (
        len(matching),
        sum(not read for read, _, _ in matching.values()),
        sum(not seen for _, seen, _ in matching.values()),
    )


SORTED = [
    ("a", "x"),
    ("a", "y"),
    ("b", "x"),
    ("", ""),
    ("uncategorized", "z"),
    ("ä&b=c", "100 %"),
    ("", "x"),
    ("a,b", "w"),
]
"""Category and topic of the items 0-7."""


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("categories=a", "10"),
        ("categories=a&categories=b", "210"),
        ("categories[]=a&categories[]=b", "210"),
        ("categories%5B%5D=a&categories%5B%5D=b", "210"),
        ("categories=a,&categories[]=b", "210"),
        # After brackets, a comma belongs to the value.
        ("categories[]=a,b", "7"),
        ("categories[]=a,b&categories[]=b", "72"),
        ("categories=a,b", "210"),
        ("categories=uncategorized", "643"),
        ("categories=uncategorized,b", "6432"),
        ("categories=%C3%A4%26b%3Dc", "5"),
        ("categories=nothing", ""),
        ("categories=A", ""),
        ("categories=", "76543210"),
        ("topics=x", "620"),
        ("topics=x,y", "6210"),
        ("topics[]=y&topics=100+%25", "51"),
        ("categories=a&topics=x", "0"),
        ("categories=a,b&topics=x,y", "210"),
        ("categories=uncategorized&topics=x,z", "64"),
        ("categories=b&topics=y", ""),
    ],
)
async def test_lists_are_filtered_by_category_and_topic(inbox: Inbox, query: str, numbers: str) -> None:
    for number, (category, topic) in enumerate(SORTED):
        await inbox.receive(str(number), **({"category": category, "topic": topic} if category or topic else {}))
    page = await inbox.page(query)
    assert [item["title"] for item in page["notifications"]] == list(numbers)
    assert page["total"] == page["unread_count"] == page["unseen_count"] == len(numbers)


async def test_category_topic_state_and_page_filter_together(inbox: Inbox) -> None:
    for category, topic in itertools.product("ab", "xy"):
        await fill(inbox, f"{category}{topic} ", category=category, topic=topic)
    query = "categories=a,b&topics=x&read=false&archived=true&per_page=3&page="
    assert [await inbox.titles(f"{query}{page}") for page in (1, 2)] == [
        ["bx seen archive", "bx archive", "ax seen archive"],
        ["ax archive"],
    ]


async def test_a_deep_page_of_a_filter_is_the_same_slice_as_of_the_whole(inbox: Inbox) -> None:
    for number in range(40):
        item = await inbox.receive(str(number), category="abc"[number % 3])
        if number % 5 == 0:
            await inbox.do(f"{item}/read")
    whole = await inbox.titles("categories=a,c&per_page=100")
    assert await inbox.titles("categories=a,c&per_page=4&page=6") == whole[20:24]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("page=0", "Param 'page' must be a number from 1 to 1000000000"),
        ("page=-1", "Param 'page' must be a number from 1 to 1000000000"),
        ("page=1.0", "Param 'page' must be a number from 1 to 1000000000"),
        ("page=99999999999999999999", "Param 'page' must be a number from 1 to 1000000000"),
        ("page=%D9%A3", "Param 'page' must be a number from 1 to 1000000000"),
        ("per_page=0", "Param 'per_page' must be a number from 1 to 100"),
        ("per_page=101", "Param 'per_page' must be a number from 1 to 100"),
        ("per_page=ten", "Param 'per_page' must be a number from 1 to 100"),
        ("read=yes", "Param 'read' must be true or false"),
        ("seen=2", "Param 'seen' must be true or false"),
        ("archived=null", "Param 'archived' must be true or false"),
        ("categories=" + "a" * 101, "Param 'categories' must have at most 100 characters in each item"),
        ("topics=" + ",".join(map(str, range(51))), "Param 'topics' must have at most 50 items"),
    ],
)
async def test_a_wrong_query_is_refused_by_name(inbox: Inbox, query: str, message: str) -> None:
    response = await inbox.request("GET", f"/notifications?{query}")
    assert (response.status_code, response.json()) == (422, {"errors": [{"message": message}]})


async def test_every_wrong_field_of_a_query_is_named(inbox: Inbox) -> None:
    response = await inbox.request("GET", "/notifications?page=x&per_page=x&read=x&seen=x&archived=x")
    assert {message.split("'")[1] for message in messages(response)} == {"page", "per_page", "read", "seen", "archived"}


@pytest.mark.parametrize("query", ["page=1000000000", "per_page=100", "read=TRUE", "seen=0", "archived=1", "read="])
async def test_a_query_at_its_limits_is_accepted(inbox: Inbox, query: str) -> None:
    await inbox.page(query)


async def test_the_last_of_repeated_parameters_applies_and_unknown_ones_are_ignored(inbox: Inbox) -> None:
    page = await inbox.page("per_page=5&per_page=7&order=asc&_=123")
    assert page["per_page"] == 7


async def test_a_query_may_have_50_categories(inbox: Inbox) -> None:
    await inbox.receive(category="49")
    assert await inbox.titles("categories=" + ",".join(map(str, range(50)))) == ["Hello"]


# ---- changing one item


@pytest.mark.parametrize(
    ("method", "path", "state"),
    [
        ("POST", "read", (True, True, False)),
        ("POST", "unread", (False, False, False)),
        ("POST", "seen", (False, True, False)),
        ("POST", "archive", (False, False, True)),
        ("DELETE", "archive", (False, False, False)),
    ],
)
async def test_a_mark_returns_204_without_a_body_and_changes_the_state(
    inbox: Inbox, method: str, path: str, state: tuple[bool, bool, bool]
) -> None:
    item = await inbox.receive()
    response = await inbox.request(method, f"/notifications/{item}/{path}")
    assert (response.status_code, response.content) == (204, b"")
    found = await inbox.item(item)
    assert (bool(found["read_at"]), bool(found["seen_at"]), bool(found["archived_at"])) == state


async def test_unread_leaves_the_item_seen(inbox: Inbox) -> None:
    item = await inbox.receive()
    await inbox.do(f"{item}/read", f"{item}/unread")
    found = await inbox.item(item)
    assert (found["read_at"], bool(found["seen_at"])) == (None, True)


@pytest.mark.parametrize(
    ("actions", "read", "archived"),
    [
        (("POST /read", "POST /archive"), True, True),
        (("POST /archive", "POST /read"), True, True),
        (("POST /archive", "POST /read", "DELETE /archive"), True, False),
        (("POST /archive", "POST /read", "POST /unread"), False, True),
    ],
)
async def test_the_read_and_the_archived_state_survive_each_other(
    inbox: Inbox, actions: tuple[str, ...], read: bool, archived: bool
) -> None:
    item = await inbox.receive()
    await inbox.do(*(action.replace(" ", f" {item}") for action in actions))
    found = await inbox.item(item)
    assert (bool(found["read_at"]), bool(found["archived_at"])) == (read, archived)


async def test_times_are_unix_seconds_and_a_repeated_mark_keeps_the_first(inbox: Inbox) -> None:
    item = await inbox.receive()
    await inbox.do(f"{item}/read")
    first = await inbox.item(item)
    await inbox.do(f"{item}/seen", f"{item}/read")
    assert await inbox.item(item) == first
    assert 0 <= first["read_at"] - first["sent_at"] < 60
    assert first["seen_at"] == first["read_at"]


async def test_a_deleted_item_is_in_no_response(inbox: Inbox) -> None:
    item = await inbox.receive(category="a", topic="x")
    await inbox.do(f"DELETE {item}")
    for query in ("", "categories=a", "topics=x", "categories=a&topics=x"):
        assert (await inbox.page(query))["total"] == 0
    response = await inbox.request("GET", f"/notifications/{item}")
    assert (response.status_code, code(response)) == (404, "not_found")


ON_ONE_ITEM = [
    ("GET", ""),
    ("DELETE", ""),
    ("POST", "/read"),
    ("POST", "/unread"),
    ("POST", "/seen"),
    ("POST", "/archive"),
    ("DELETE", "/archive"),
]


@pytest.mark.parametrize(("method", "suffix"), ON_ONE_ITEM)
@pytest.mark.parametrize("item", [str(uuid4()), "42", "read", "%00", "x" * 5000, "%F0%9F%94%94"], ids=lambda it: it[:8])
async def test_an_unknown_id_returns_404(inbox: Inbox, method: str, suffix: str, item: str) -> None:
    response = await inbox.request(method, f"/notifications/{item}{suffix}")
    assert response.status_code == 404
    assert (code(response), messages(response)) == ("not_found", ["Notification not found"])


@pytest.mark.parametrize(("method", "suffix"), ON_ONE_ITEM)
async def test_another_users_id_returns_404_and_changes_nothing(inbox: Inbox, method: str, suffix: str) -> None:
    item = await inbox.receive()
    before = await inbox.page()
    other = Inbox(inbox.http, f"{inbox.external_id}-other")
    assert (await other.request(method, f"/notifications/{item}{suffix}")).status_code == 404
    assert await inbox.page() == before


async def test_a_change_by_one_recipient_does_not_affect_the_items_of_others(inbox: Inbox) -> None:
    other = Inbox(inbox.http, f"{inbox.external_id}-other")
    response = await send(inbox.http, notification(inbox.external_id, other.external_id))
    item = response.json()["notification"]["id"]
    before = await other.page()
    await inbox.do(f"{item}/read", f"{item}/archive", "read", f"DELETE {item}")
    assert await other.page() == before


# ---- changing all


@pytest.mark.parametrize(
    ("query", "changed"),
    [
        ("", {"new", "seen", "archive", "seen archive"}),
        ("archived=false", {"new", "seen"}),
        ("archived=true", {"archive", "seen archive"}),
        ("seen=true", {"seen", "seen archive"}),
        ("seen=false&archived=false", {"new"}),
        ("read=true", set()),
    ],
)
async def test_read_all_marks_what_the_filter_matches(inbox: Inbox, query: str, changed: set[str]) -> None:
    await fill(inbox)
    await inbox.do(f"read?{query}")
    read_before = {title for title, (read, _, _) in STATES.items() if read}
    assert set(await inbox.titles("read=true&seen=true")) == changed | read_before


@pytest.mark.parametrize(
    ("query", "changed"),
    [("", {"new", "archive"}), ("archived=true", {"archive"}), ("read=true", set()), ("seen=true", set())],
)
async def test_seen_all_marks_what_the_filter_matches(inbox: Inbox, query: str, changed: set[str]) -> None:
    await fill(inbox)
    await inbox.do(f"seen?{query}")
    seen_before = {title for title, (_, seen, _) in STATES.items() if seen}
    assert set(await inbox.titles("seen=true")) == changed | seen_before
    assert set(await inbox.titles("read=true")) == {title for title, (read, _, _) in STATES.items() if read}


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("", set()),
        ("read=true", {"new", "seen"}),
        ("seen=false", {"seen", "read"}),
        ("archived=true", {"new", "seen", "read"}),
    ],
)
async def test_archive_all_archives_what_the_filter_matches(inbox: Inbox, query: str, left: set[str]) -> None:
    await fill(inbox)
    await inbox.do(f"archive?{query}")
    assert set(await inbox.titles("archived=false")) == left


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ("categories=a", {"ax", "ay"}),
        ("categories[]=a&categories[]=uncategorized", {"ax", "ay", "-x"}),
        ("topics=x", {"ax", "bx", "-x"}),
        ("categories=a,b&topics=x", {"ax", "bx"}),
    ],
)
@pytest.mark.parametrize("mark", ["read", "seen"])
async def test_marks_for_all_accept_categories_and_topics(
    inbox: Inbox, mark: str, query: str, marked: set[str]
) -> None:
    for category, topic in [("a", "x"), ("a", "y"), ("b", "x"), (None, "x")]:
        await inbox.receive(f"{category or '-'}{topic}", category=category, topic=topic)
    await inbox.do(f"{mark}?{query}")
    assert set(await inbox.titles(f"{mark}=true")) == marked


@pytest.mark.parametrize("mark", ["read", "seen"])
async def test_a_wrong_filter_of_a_mark_for_all_is_refused_and_nothing_changes(inbox: Inbox, mark: str) -> None:
    await inbox.receive()
    response = await inbox.request("POST", f"/notifications/{mark}?archived=maybe&categories={'a' * 101}")
    assert (response.status_code, messages(response)) == (
        422,
        [
            "Param 'archived' must be true or false",
            "Param 'categories' must have at most 100 characters in each item",
        ],
    )
    assert await inbox.titles("seen=false&read=false") == ["Hello"]


# ---- requests as clients send them

JSON_NULL: dict[str, Any] = {"headers": {"Content-Type": "application/json"}, "content": b"null"}


@pytest.mark.parametrize("path", ["/config", "/notifications", "/notifications/{}", "/realtime/events"])
async def test_a_get_may_have_the_body_null(inbox: Inbox, path: str) -> None:
    path = path.format(await inbox.receive())
    assert (await inbox.request("GET", path, **JSON_NULL)).status_code == 200


@pytest.mark.parametrize("suffix", ["", "/archive"])
async def test_a_delete_may_have_the_body_null(inbox: Inbox, suffix: str) -> None:
    item = await inbox.receive()
    assert (await inbox.request("DELETE", f"/notifications/{item}{suffix}", **JSON_NULL)).status_code == 204


@pytest.mark.parametrize("path", ["{}/read", "{}/unread", "{}/seen", "{}/archive", "read", "seen"])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"user_notification_read":{}}', b"null", b"not json"], ids=["nothing", *"abcd"]
)
async def test_marks_ignore_their_body(inbox: Inbox, path: str, body: bytes) -> None:
    item = await inbox.receive()
    response = await inbox.request(
        "POST", f"/notifications/{path}".format(item), headers={"Content-Type": "application/json"}, content=body
    )
    assert response.status_code == 204


async def test_the_query_may_be_empty(inbox: Inbox) -> None:
    response = await inbox.request("GET", "/notifications?")
    assert (response.request.url.raw_path, response.status_code) == (b"/notifications?", 200)


@pytest.mark.parametrize("path", ["//notifications", "/notifications/", "//notifications//", "///notifications?page=1"])
async def test_superfluous_slashes_are_ignored(inbox: Inbox, gateway: Gateway, path: str) -> None:
    response = await inbox.request("GET", f"{gateway.url}{path}")
    assert (response.status_code, response.json()["current_page"]) == (200, 1)


async def test_a_mark_with_superfluous_slashes_marks(inbox: Inbox, gateway: Gateway) -> None:
    item = await inbox.receive()
    await inbox.request("POST", f"{gateway.url}//notifications//{item}/read/")
    assert (await inbox.item(item))["read_at"]


async def test_an_item_is_found_by_any_spelling_of_its_id(inbox: Inbox) -> None:
    item = await inbox.receive()
    assert (await inbox.item(item.upper()))["id"] == item


# ---- positions and pulling


async def test_a_list_and_the_event_log_agree_on_the_position(inbox: Inbox) -> None:
    item = await inbox.receive()
    await inbox.do(f"{item}/read")
    listed = await inbox.request("GET", "/notifications")
    pulled = await inbox.events()
    assert listed.headers["x-inbox-position"] == pulled["position"]
    assert pulled["position"].endswith(".2")


async def test_a_change_has_the_position_that_includes_it(inbox: Inbox) -> None:
    item = await inbox.receive()
    for method, path in [
        ("POST", f"/{item}/read"),
        ("POST", f"/{item}/read"),  # which changes nothing
        ("POST", "/seen"),  # the same
        ("POST", "/archive"),
        ("DELETE", f"/{item}/archive"),
        ("DELETE", f"/{item}"),
    ]:
        changed = await inbox.request(method, f"/notifications{path}")
        assert changed.headers["x-inbox-position"] == (await inbox.events())["position"], path


async def test_a_change_in_an_inbox_without_a_log_has_no_position(inbox: Inbox) -> None:
    assert "x-inbox-position" not in (await inbox.request("POST", "/notifications/read")).headers


async def test_an_inbox_without_a_log_gets_its_position_by_a_pull(inbox: Inbox) -> None:
    assert "x-inbox-position" not in (await inbox.request("GET", "/notifications")).headers
    pulled = await inbox.events()
    assert pulled["position"].endswith(".0")
    assert (await inbox.request("GET", "/notifications")).headers["x-inbox-position"] == pulled["position"]


async def test_a_pull_without_since_returns_the_current_position_and_no_events(inbox: Inbox) -> None:
    await inbox.receive()
    archived = await inbox.receive()
    await inbox.do(f"{archived}/archive")
    pulled = await inbox.events()
    assert pulled == {
        "events": [],
        "position": pulled["position"],
        "more": False,
        "reset": None,
        "unread_count": 2,
        "unseen_count": 2,
        "unarchived": {"unread_count": 1, "unseen_count": 1},
    }


async def test_a_pull_returns_every_change_since_the_position_in_order(inbox: Inbox) -> None:
    start = (await inbox.events())["position"]
    item = await inbox.receive()
    await inbox.do(*(f"{item}/{mark}" for mark in ("seen", "read", "unread", "archive")))
    await inbox.do(f"DELETE {item}/archive", "read", f"DELETE {item}")
    await inbox.receive()
    await inbox.do("seen")
    pulled = await inbox.events(start)
    assert [event["name"] for event in pulled["events"]] == [
        "notifications/new",
        "notifications/seen",
        "notifications/read",
        "notifications/unread",
        "notifications/archive",
        "notifications/unarchive",
        "notifications/read/all",
        "notifications/delete",
        "notifications/new",
        "notifications/seen/all",
    ]
    epoch = start.split(".")[0]
    assert positions(pulled["events"]) == [f"{epoch}.{offset}" for offset in range(1, 11)]
    assert (pulled["position"], pulled["more"], pulled["reset"]) == (f"{epoch}.10", False, None)
    assert (await inbox.request("GET", "/realtime/events")).headers["cache-control"] == "no-store"


async def test_a_command_that_changes_nothing_makes_no_event(inbox: Inbox) -> None:
    item = await inbox.receive()
    await inbox.do(f"{item}/read")
    before = await inbox.events()
    await inbox.do(f"{item}/read", f"{item}/seen", f"DELETE {item}/archive", "read", "seen", "read?categories=none")
    assert await inbox.events() == before


async def test_an_event_holds_the_item_the_counts_and_the_client_that_made_it(inbox: Inbox) -> None:
    item = await inbox.receive()
    start = (await inbox.events())["position"]
    await inbox.request("POST", f"/notifications/{item}/read", headers=user_headers(inbox.external_id, "tab-1"))
    (event,) = (await inbox.events(start))["events"]
    assert event == {
        "type": "event",
        "position": event["position"],
        "name": "notifications/read",
        "data": {"id": item, "notification": await inbox.item(item), "client_id": "tab-1"},
        "unread_count": 0,
        "unseen_count": 0,
        "unarchived": {"unread_count": 0, "unseen_count": 0},
    }


async def test_a_pull_of_more_than_256_events_has_consecutive_pages(inbox: Inbox) -> None:
    start = position = (await inbox.events())["position"]
    item = await inbox.receive()
    for _ in range(130):
        await inbox.do(f"{item}/read", f"{item}/unread")
    pages: list[dict[str, Any]] = []
    while not pages or pages[-1]["more"]:
        pages.append(await inbox.events(position))
        position = pages[-1]["position"]
        assert position == positions(pages[-1]["events"])[-1]
    pulled = [event for page in pages for event in positions(page["events"])]
    epoch = start.split(".")[0]
    assert pulled == [f"{epoch}.{offset}" for offset in range(1, 262)]
    assert len(pages) > 1
    assert all(0 < len(page["events"]) <= 256 for page in pages)
    assert (await inbox.events(position))["events"] == []


@pytest.mark.parametrize(
    ("since", "reset"),
    [("someoneelse.1", "epoch_changed"), ("{epoch}.3", "position_unknown"), ("{epoch}.1", None), ("{epoch}.2", None)],
)
async def test_a_position_of_another_epoch_or_of_the_future_resets(inbox: Inbox, since: str, reset: str | None) -> None:
    await inbox.receive()
    await inbox.receive()
    end = (await inbox.events())["position"]
    pulled = await inbox.events(since.format(epoch=end.split(".")[0]))
    assert (pulled["reset"], pulled["position"], pulled["unread_count"]) == (reset, end, 2)


async def test_a_position_of_another_log_returns_no_events(inbox: Inbox) -> None:
    other = Inbox(inbox.http, f"{inbox.external_id}-other")
    await other.receive()
    await inbox.receive()
    pulled = await inbox.events((await other.events())["position"])
    assert (pulled["events"], pulled["reset"], pulled["more"]) == ([], "epoch_changed", False)


@pytest.mark.parametrize(
    "since", ["x", "x.", ".1", "x.-1", "x.01", "x.1.2", "x y.1", "x.1e3", "x." + "9" * 17, "x.%00"]
)
async def test_a_malformed_position_is_refused(inbox: Inbox, since: str) -> None:
    response = await inbox.request("GET", f"/realtime/events?since={since}")
    assert response.status_code == 422
    assert response.json() == {"errors": [{"message": "Param 'since' must be a position such as k3f9.42"}]}


# ---- /config


async def test_config_has_the_addresses_for_a_widget(inbox: Inbox, gateway: Gateway) -> None:
    await inbox.receive()
    await inbox.http.delete("/v2/integrations/inbox", headers=ADMIN)  # other tests may have saved a look
    page = await inbox.page()
    project, user = page["project_id"], page["notifications"][0]["recipient"]["id"]
    config = await inbox.get("/config")
    assert config.pop("channels")["web_push"].keys() == {"enabled"}  # other tests may have made a key pair
    assert config == {
        "ws": {
            "region": "",
            "channel": f"projects:{project}:users:{user}",
            "auth_url": "/ws/auth",
        },
        "inbox": {"features": {}},
        "realtime": {
            "protocol": "inbox.v1",
            "websocket_url": gateway.websocket_url,
            "sse_url": f"{gateway.url}/realtime/sse",
            "events_url": f"{gateway.url}/realtime/events",
        },
    }


async def test_config_behind_a_proxy_has_the_proxys_address(inbox: Inbox) -> None:
    headers = {"Host": "inbox.example.com", "X-Forwarded-Proto": "https"}
    config = (await inbox.request("GET", "/config", headers=headers)).json()
    assert config["realtime"]["websocket_url"] == "wss://inbox.example.com/realtime/ws"
