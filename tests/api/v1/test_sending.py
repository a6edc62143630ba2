"""`POST /notifications`: what a backend may send, what is refused, and who receives it."""

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from gateway.api.core.body import read_body
from gateway.api.v1.sending import NOTIFICATION, PlainCommand, PlainRecipient, command_of, plain_command
from gateway.domain.errors import HASH_IS
from gateway.domain.params import Problems
from gateway.server.http import MAX_SKIPPED_BYTES
from tests.api.inbox import Inbox, code, email_headers, messages, notification, send
from tests.servers import ADMIN, user_headers

MEGABYTE = 1024 * 1024
Path = tuple[str | int, ...]


def name_of(path: Path) -> str:
    """Return a path as error messages write it: `notification.recipients[0].email`."""
    return "notification" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def with_value(body: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return a copy of a body with another value at a path. Missing objects on the way are created."""
    changed = copy.deepcopy(body)
    place: Any = changed["notification"]
    for step in path[:-1]:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    place[path[-1]] = value
    return changed


def hash_of(size: int) -> dict[str, str]:
    """Return an object of exactly this many bytes as compact JSON."""
    return {"a": "x" * (size - len('{"a":""}'))}


def nested(levels: int) -> dict[str, Any]:
    """Return nested objects of this many levels."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


# ---- plain bodies

TEXTS = st.one_of(
    st.none(), st.text(max_size=3), st.sampled_from(["", " ", "x" * 100, "x" * 101, "x" * 255, "x" * 256])
)
ANY = st.one_of(TEXTS, st.booleans(), st.integers(), st.lists(st.text(max_size=2), max_size=2))
EMAILS = st.sampled_from(
    [None, "", "ada", " Ada@Example.COM\x1f", "a@b", "a@b@c", "a b@c", "\u2003a@b", "x" * 253 + "@b", "x" * 254 + "@b"]
)
RECIPIENTS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"external_id": TEXTS}, optional={"email": TEXTS, "matches": TEXTS}),
        st.fixed_dictionaries(
            {"email": EMAILS},
            optional={
                "external_id": TEXTS,
                "first_name": st.one_of(TEXTS, st.sampled_from(["x" * 50, "x" * 51])),
                "custom_attributes": st.dictionaries(st.text(max_size=3), ANY, max_size=2),
                "phone_numbers": st.lists(TEXTS, max_size=2),
                "topic": st.none(),
            },
        ),
        st.dictionaries(st.text(max_size=3), ANY, max_size=2),
        ANY,
    ),
    max_size=3,
)
FIELDS = st.fixed_dictionaries(
    {"title": st.one_of(TEXTS, ANY), "recipients": st.one_of(RECIPIENTS, ANY)},
    optional={
        **dict.fromkeys(("content", "action_url", "category", "topic", "titel"), st.one_of(TEXTS, ANY)),
        "custom_attributes": st.one_of(st.dictionaries(st.text(max_size=3), ANY, max_size=3), ANY),
        "overrides": st.sampled_from([None, {}, {"channels": {"in_app": {"title": "x"}}}]),
    },
)


@given(FIELDS, st.booleans())
def test_a_plain_body_is_read_as_the_parameters_read_it(fields: dict[str, Any], alone: bool) -> None:
    body = json.dumps({"notification": fields} | ({} if alone else {"other": 1})).encode()
    command = plain_command(body)
    if command is not None:
        problems = Problems(strict=True)
        checked = command_of(read_body(body, "notification", NOTIFICATION, problems=problems))
        assert to_builtins(command) == to_builtins(checked)
        assert (problems, problems.unknown) == ([], [])


@pytest.mark.parametrize("plain", [PlainCommand, PlainRecipient])
def test_a_plain_body_limits_every_field_itself(plain: type[msgspec.Struct]) -> None:
    assert plain.__annotations__.keys() == set(plain.__struct_fields__)


@pytest.mark.parametrize("attributes", [None, {}, hash_of(6000), nested(100)])
@pytest.mark.parametrize("recipients", [1, 1000])
@pytest.mark.parametrize(
    "more",
    [{}, {"email": " A@b"}, {"first_name": "é" * 50, "custom_attributes": hash_of(6000), "phone_numbers": ["1"] * 50}],
    ids=("named", "with_email", "with_attributes"),
)
def test_a_body_with_named_users_is_plain(attributes: Any, recipients: int, more: dict[str, Any]) -> None:
    users = [{"external_id": f"user{number}", **more} for number in range(recipients)]
    fields = {"title": "é" * 255, "topic": None, "custom_attributes": attributes, "recipients": users}
    body = json.dumps({"notification": fields}).encode()
    command = plain_command(body)
    assert command is not None
    assert to_builtins(command) == to_builtins(command_of(read_body(body, "notification", NOTIFICATION)))


@pytest.mark.parametrize(
    "fields",
    [
        {"title": " "},
        {"title": "é" * 256},
        {"custom_attributes": hash_of(6001)},
        {"custom_attributes": nested(101)},
        {"recipients": []},
        {"recipients": [{"external_id": "ada"}] * 1001},
        {"recipients": [{"external_id": ""}]},
        {"recipients": [{"external_id": "ada", "email": ""}]},
        {"recipients": [{"email": "a@b@c"}]},
        {"recipients": [{"first_name": "Ada"}]},
        {"recipients": [{"external_id": "ada", "last_name": "x" * 51}]},
        {"recipients": [{"external_id": "ada", "phone_numbers": [None]}]},
        {"recipients": [{"external_id": "ada", "custom_attributes": hash_of(6001)}]},
        {"recipients": [{"external_id": "ada", "custom_attributes": nested(101)}]},
        {"recipients": [{"matches": "*"}]},
        {"titel": "x"},
        {"overrides": {}},
    ],
    ids=repr,
)
def test_a_body_that_is_invalid_or_has_more_is_left_to_the_parameters(fields: dict[str, Any]) -> None:
    whole = {"title": "Hello", "recipients": [{"external_id": "ada"}], **fields}
    assert plain_command(json.dumps({"notification": whole}).encode()) is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"notification":1}', b"\xef\xbb\xbf{}", b"[" * 5000, b'"\xff"'])
def test_what_is_no_plain_json_is_left_to_the_parameters(body: bytes) -> None:
    assert plain_command(body) is None


# ---- limits

TEXT_LIMITS: list[tuple[Path, int]] = [
    (("title",), 255),
    (("content",), 4 * MEGABYTE),
    (("action_url",), 2048),
    (("category",), 100),
    (("topic",), 100),
    (("recipients", 0, "external_id"), 255),
    (("recipients", 0, "first_name"), 50),
    (("recipients", 0, "last_name"), 50),
    (("recipients", 0, "phone_numbers", 0), 50),
    (("overrides", "channels", "in_app", "title"), 255),
    (("overrides", "channels", "in_app", "content"), 4 * MEGABYTE),
    (("overrides", "channels", "in_app", "action_url"), 2048),
    (("overrides", "channels", "email", "title"), 255),
]


def limits() -> Iterator[Any]:
    """Yield every limit: path, the largest valid value, a value just over it, and the message."""

    def row(path: Path, within: Any, over: Any, bound: str) -> Any:
        return pytest.param(path, within, over, f"Param '{name_of(path)}' must have {bound}", id=name_of(path))

    for path, most in TEXT_LIMITS:
        yield row(path, "x" * most, "x" * (most + 1), f"at most {most} characters")
    domain = "@example.com"
    email = "a" * (255 - len(domain)) + domain
    yield row(("recipients", 0, "email"), email, "a" + email, "at most 255 characters")
    yield row(("recipients", 0, "phone_numbers"), ["1"] * 50, ["1"] * 51, "0 to 50 items")
    for parent in ((), ("recipients", 0)):
        path = (*parent, "custom_attributes")
        yield row(path, hash_of(6000), hash_of(6001), "at most 6000 bytes as JSON")
    yield row(("custom_attributes",), nested(100), nested(101), "at most 100 levels")
    people = [{"external_id": f"one-of-many-{number}"} for number in range(1001)]
    yield row(("recipients",), people[:1000], people, "1 to 1000 items")
    yield row(("recipients",), people[:1], [], "1 to 1000 items")


LIMITS = list(limits())


def valid_body(user: str) -> dict[str, Any]:
    """Return a body whose values the tests of limits replace one by one."""
    return notification(recipients=[{"external_id": user, "phone_numbers": [""]}])


@pytest.mark.parametrize(("path", "within", "over", "message"), LIMITS)
async def test_a_value_at_its_limit_is_accepted(
    http: httpx.AsyncClient, user: str, path: Path, within: Any, over: Any, message: str
) -> None:
    if path == ("recipients", 0, "external_id"):
        within = user.ljust(255, "x")
    response = await send(http, with_value(valid_body(user), path, within))
    assert response.status_code == 201, response.text[:200]


@pytest.mark.parametrize(("path", "within", "over", "message"), LIMITS)
async def test_a_value_just_over_its_limit_is_refused_by_name(
    http: httpx.AsyncClient, user: str, path: Path, within: Any, over: Any, message: str
) -> None:
    response = await send(http, with_value(valid_body(user), path, over))
    assert (response.status_code, response.json()) == (422, {"errors": [{"message": message}]})


async def test_lengths_count_characters_not_bytes(inbox: Inbox) -> None:
    title = "🔔" * 255
    await inbox.receive(title)
    assert await inbox.titles() == [title]


async def test_the_largest_content_arrives_whole(inbox: Inbox) -> None:
    content = "<p>" + "é" * (MEGABYTE * 3) + "</p>"
    item = await inbox.item(await inbox.receive(content=content))
    assert item["content"] == content


async def test_a_body_that_announces_more_than_12_megabytes_is_refused_and_ends_its_connection(
    http: httpx.AsyncClient,
) -> None:
    response = await http.post("/notifications", headers=ADMIN, content=b" " * (13 * MEGABYTE))
    assert (response.status_code, code(response)) == (413, "body_too_large")
    assert response.headers["connection"] == "close"
    assert messages(response) == [f"The body is larger than {12 * MEGABYTE} bytes"]


async def test_after_a_chunked_body_just_over_12_megabytes_the_connection_stays_open(http: httpx.AsyncClient) -> None:
    async def chunks() -> Any:
        for _ in range(12):
            yield b" " * MEGABYTE
        yield b" " * (MAX_SKIPPED_BYTES // 2)  # of a longer rest, the server closes the connection

    response = await http.post("/notifications", headers=ADMIN, content=chunks())
    assert (response.status_code, code(response)) == (413, "body_too_large")
    assert (await http.get("/healthz")).status_code == 200


# ---- wrong values

TITLE, PERSON = ("title",), ("recipients", 0)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (TITLE, None, "Param 'notification.title' is missing"),
        (TITLE, "", "Param 'notification.title' is missing"),
        (TITLE, " \t\n", "Param 'notification.title' is missing"),
        (TITLE, 5, "Param 'notification.title' must be a string"),
        (("content",), ["x"], "Param 'notification.content' must be a string"),
        (("action_url",), {}, "Param 'notification.action_url' must be a string"),
        (("category",), False, "Param 'notification.category' must be a string"),
        (("topic",), 1.5, "Param 'notification.topic' must be a string"),
        (("custom_attributes",), ["x"], "Param 'notification.custom_attributes' must be a hash"),
        (("custom_attributes",), "x", "Param 'notification.custom_attributes' must be a hash"),
        (("overrides",), "x", "Param 'notification.overrides' must be a hash"),
        (("overrides", "channels"), [], "Param 'notification.overrides.channels' must be a hash"),
        (("overrides", "channels", "sms"), 1, "Param 'notification.overrides.channels.sms' must be a hash"),
        (("overrides", "providers"), 7, "Param 'notification.overrides.providers' must be a hash"),
        (("overrides", "providers", "ios"), [], "Param 'notification.overrides.providers.ios' must be a hash"),
        (("recipients",), None, "Param 'notification.recipients' is missing"),
        (("recipients",), {}, "Param 'notification.recipients' must be an array"),
        (PERSON, None, "Param 'notification.recipients[0]' is missing"),
        (PERSON, "ada", "Param 'notification.recipients[0]' must be a hash"),
        (PERSON, {}, "Param 'notification.recipients[0]' must have an email or an external_id"),
        (PERSON, {"email": ""}, "Param 'notification.recipients[0]' must have an email or an external_id"),
        (PERSON, {"email": " "}, "Param 'notification.recipients[0].email' must be an email address"),
        (PERSON, {"external_id": ""}, "Param 'notification.recipients[0]' must have an email or an external_id"),
        ((*PERSON, "external_id"), 7, "Param 'notification.recipients[0].external_id' must be a string"),
        ((*PERSON, "email"), "ada", "Param 'notification.recipients[0].email' must be an email address"),
        ((*PERSON, "email"), "a da@x.y", "Param 'notification.recipients[0].email' must be an email address"),
        ((*PERSON, "phone_numbers"), "1", "Param 'notification.recipients[0].phone_numbers' must be an array"),
        ((*PERSON, "phone_numbers", 0), 1, "Param 'notification.recipients[0].phone_numbers[0]' must be a string"),
        ((*PERSON, "custom_attributes"), 1, "Param 'notification.recipients[0].custom_attributes' must be a hash"),
    ],
)
async def test_a_wrong_value_is_refused_by_name(
    http: httpx.AsyncClient, user: str, path: Path, value: Any, message: str
) -> None:
    response = await send(http, with_value(valid_body(user), path, value))
    assert response.status_code == 422
    assert message in messages(response)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Param 'notification' is missing"),
        ({"notification": None}, "Param 'notification' is missing"),
        ({"notification": ["x"]}, "Param 'notification' must be a hash"),
        ([], "The body must be a JSON object"),
        ("x", "The body must be a JSON object"),
    ],
)
async def test_a_body_without_a_notification_is_refused(http: httpx.AsyncClient, body: Any, message: str) -> None:
    response = await send(http, body)
    assert response.status_code == 422
    assert messages(response) == [message]


async def test_every_failing_field_is_named_at_once_and_without_a_code(http: httpx.AsyncClient, user: str) -> None:
    response = await send(
        http,
        {
            "notification": {
                "title": "",
                "action_url": "x" * 2049,
                "custom_attributes": "x",
                "recipients": [{"external_id": user}, {"email": "ada", "first_name": "x" * 51}, {}],
                "overrides": {"channels": {"in_app": {"title": 1}}},
            }
        },
    )
    assert response.status_code == 422
    assert response.json() == {
        "errors": [
            {"message": "Param 'notification.title' is missing"},
            {"message": "Param 'notification.action_url' must have at most 2048 characters"},
            {"message": "Param 'notification.custom_attributes' must be a hash", "suggestion": HASH_IS},
            {"message": "Param 'notification.recipients[1].email' must be an email address"},
            {"message": "Param 'notification.recipients[1].first_name' must have at most 50 characters"},
            {"message": "Param 'notification.recipients[2]' must have an email or an external_id"},
            {"message": "Param 'notification.overrides.channels.in_app.title' must be a string"},
        ]
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"title=Hello",
        b'{"notification":{"title":NaN}}',
        b'{"notification":{"title":"\\ud800"}}',
        b'{"notification":{"title":"\xff"}}',
        b"[" * 100_000,
    ],
    ids=["empty", "cut", "a-form", "NaN", "half-a-character", "not-utf-8", "endless-nesting"],
)
async def test_a_body_that_is_no_json_is_refused_with_400(http: httpx.AsyncClient, body: bytes) -> None:
    response = await http.post("/notifications", headers=ADMIN, content=body)
    assert response.status_code == 400
    (message,) = messages(response)
    assert message.startswith("The body is not valid JSON: ")


async def test_a_byte_order_mark_before_a_body_is_ignored(inbox: Inbox) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(notification(inbox.external_id)).encode()
    response = await inbox.http.post("/notifications", headers=ADMIN, content=body)
    assert response.status_code == 201
    assert (await inbox.page())["total"] == 1


@pytest.mark.parametrize("coding", ["gzip", "GZip", "br", "gzip, identity", "x"])
async def test_a_compressed_body_is_refused_with_415(http: httpx.AsyncClient, user: str, coding: str) -> None:
    body = json.dumps(notification(user)).encode()
    response = await http.post("/notifications", headers=ADMIN | {"Content-Encoding": coding}, content=body)
    assert (response.status_code, code(response)) == (415, "content_coding_not_supported")


async def test_an_identity_coding_is_accepted(http: httpx.AsyncClient, user: str) -> None:
    response = await http.post(
        "/notifications", headers=ADMIN | {"Content-Encoding": "identity"}, json=notification(user)
    )
    assert response.status_code == 201


async def test_a_message_about_a_hash_explains_the_term(http: httpx.AsyncClient, user: str) -> None:
    response = await send(http, notification(user, custom_attributes="x"))
    (problem,) = response.json()["errors"]
    assert problem["message"] == "Param 'notification.custom_attributes' must be a hash"
    assert "JSON object" in problem["suggestion"]


@pytest.mark.parametrize("names", [{"external_id": "", "email": "{}@example.com"}, {"external_id": "{}", "email": ""}])
async def test_an_empty_name_beside_another_is_absent(
    http: httpx.AsyncClient, user: str, names: dict[str, str]
) -> None:
    name = f"n{abs(hash(user))}"
    recipient = {key: value.format(name) for key, value in names.items()}
    assert (await send(http, notification(recipients=[recipient]))).status_code == 201
    created = await http.post("/users", headers=ADMIN, json={"user": recipient})
    assert created.status_code == 201
    found = created.json()["user"]
    assert {found["external_id"], found["email"]} == {None, *filter(None, recipient.values())}
    issued = await http.post("/v2/jwt/user", headers=ADMIN, json=recipient)
    assert issued.status_code == 201


async def test_json_nested_to_the_limit_of_the_decoder_is_refused_for_its_nesting(
    http: httpx.AsyncClient, user: str
) -> None:
    """Python's recursion limit is near: decoding succeeds, and encoding from a deeper stack would fail."""
    before, after = json.dumps(notification(user, custom_attributes="deep")).split('"deep"')
    for levels in range(940, 980):
        body = before + '{"a":' * levels + "1" + "}" * levels + after
        assert (await http.post("/notifications", headers=ADMIN, content=body)).status_code in (400, 422)


# ---- a refused request writes nothing


async def test_one_invalid_recipient_of_1000_keeps_everyones_inbox_empty(inbox: Inbox) -> None:
    others = [{"external_id": f"{inbox.external_id}-{number}"} for number in range(998)]
    recipients = [{"external_id": inbox.external_id}, *others, {"email": "nope"}]
    response = await send(inbox.http, notification(recipients=recipients))
    assert messages(response) == ["Param 'notification.recipients[999].email' must be an email address"]
    assert await inbox.titles() == []


async def test_1000_recipients_get_one_item_each(http: httpx.AsyncClient, user: str) -> None:
    people = [f"{user}-{number}" for number in range(1000)]
    assert (await send(http, notification(*people))).status_code == 201
    for person in (people[0], people[1], people[500], people[999]):
        assert await Inbox(http, person).titles() == ["Hello"]


async def test_a_recipient_with_the_names_of_two_users_is_refused_and_nothing_is_written(inbox: Inbox) -> None:
    user = inbox.external_id
    await send(inbox.http, notification(f"{user}-a", recipients=[{"email": f"{user}-b@x.y"}]))
    await send(inbox.http, notification(f"{user}-a"))
    response = await send(
        inbox.http,
        notification(
            recipients=[
                {"external_id": user},
                {"external_id": f"{user}-a", "email": f"{user}-b@x.y"},
                {"external_id": f"{user}-new"},
            ]
        ),
    )
    assert response.status_code == 422
    assert messages(response) == [
        "Param 'notification.recipients[1]' has the external_id of one user and the email of another"
    ]
    assert await inbox.titles() == []


async def test_every_recipient_with_the_names_of_two_users_is_named(http: httpx.AsyncClient, user: str) -> None:
    await send(http, notification(recipients=[{"email": f"{user}@x.y"}, {"email": f"{user}-2@x.y"}]))
    await send(http, notification(user))
    recipients = [
        {"external_id": user, "email": f"{user}@x.y"},
        {"external_id": f"{user}-other"},
        {"external_id": user, "email": f"{user}-2@x.y"},
    ]
    response = await send(http, notification(recipients=recipients))
    assert [message[:33] for message in messages(response)] == [
        "Param 'notification.recipients[0]",
        "Param 'notification.recipients[2]",
    ]


async def test_one_email_for_two_external_ids_in_one_request_is_a_conflict(http: httpx.AsyncClient, user: str) -> None:
    recipients = [{"external_id": f"{user}-{which}", "email": f"{user}@x.y"} for which in "ab"]
    response = await send(http, notification(recipients=recipients))
    assert messages(response) == [
        "Param 'notification.recipients[1]' has the external_id of one user and the email of another"
    ]
    assert await Inbox(http, f"{user}-a").titles() == []


# ---- which user a recipient is


async def test_an_unknown_recipient_is_created(inbox: Inbox) -> None:
    await inbox.receive("Welcome")
    (item,) = (await inbox.page())["notifications"]
    assert UUID(item["recipient"]["id"])
    assert item["recipient"]["external_id"] == inbox.external_id


async def test_a_user_with_both_names_has_one_inbox_whichever_name_a_call_uses(
    http: httpx.AsyncClient, user: str
) -> None:
    email = f"{user}@example.com".lower()
    both, by_email, by_id = {"external_id": user, "email": email}, {"email": email}, {"external_id": user}
    for title, recipient in (("1", both), ("2", by_email), ("3", by_id)):
        await send(http, notification(title=title, recipients=[recipient]))

    listed = [(await http.get("/notifications", headers=h)).json() for h in (user_headers(user), email_headers(email))]
    assert listed[0] == listed[1]
    assert [item["title"] for item in listed[0]["notifications"]] == ["3", "2", "1"]


async def test_a_user_known_by_email_keeps_the_inbox_when_the_external_id_becomes_known(inbox: Inbox) -> None:
    email = f"{inbox.external_id}@example.com"
    await send(inbox.http, notification(title="1", recipients=[{"email": email}]))
    await send(inbox.http, notification(title="2", recipients=[{"email": email, "external_id": inbox.external_id}]))
    assert await inbox.titles() == ["2", "1"]


async def test_a_user_known_by_external_id_keeps_the_inbox_when_the_email_becomes_known(
    http: httpx.AsyncClient, user: str
) -> None:
    email = f"{user}@example.com"
    await send(http, notification(user, title="1"))
    await send(http, notification(title="2", recipients=[{"email": email, "external_id": user}]))
    listed = (await http.get("/notifications", headers=email_headers(email))).json()
    assert [item["title"] for item in listed["notifications"]] == ["2", "1"]


async def test_emails_are_compared_without_case(http: httpx.AsyncClient, user: str) -> None:
    await send(http, notification(recipients=[{"email": f" {user}@Example.COM "}]))
    listed = (await http.get("/notifications", headers=email_headers(f"{user}@eXample.com".upper()))).json()
    assert [item["recipient"]["email"] for item in listed["notifications"]] == [f"{user}@example.com".lower()]


async def test_a_recipient_named_twice_gets_one_item(inbox: Inbox) -> None:
    user, email = inbox.external_id, f"{inbox.external_id}@example.com"
    recipients = [
        {"external_id": user, "email": email},
        {"external_id": user},
        {"email": email.upper()},
        {"external_id": user},
    ]
    assert (await send(inbox.http, notification(recipients=recipients))).status_code == 201
    assert await inbox.titles() == ["Hello"]


async def test_the_attributes_of_all_mentions_of_a_recipient_count(inbox: Inbox) -> None:
    person = {"external_id": inbox.external_id}
    recipients = [person | {"first_name": "Ada"}, person | {"last_name": "Lovelace"}]
    await send(inbox.http, notification(recipients=recipients))
    recipient = (await inbox.page())["notifications"][0]["recipient"]
    assert (recipient["first_name"], recipient["last_name"]) == ("Ada", "Lovelace")


async def test_an_email_in_one_mention_is_kept_by_a_later_mention_without_it(inbox: Inbox) -> None:
    person = {"external_id": inbox.external_id}
    email = f"{inbox.external_id}@example.com".lower()
    await send(inbox.http, notification(recipients=[person | {"email": f"old-{email}"}]))
    await send(inbox.http, notification(recipients=[person | {"email": email}, person]))
    assert (await inbox.page())["notifications"][0]["recipient"]["email"] == email


async def test_the_list_shows_the_attributes_that_a_recipient_was_sent_with(inbox: Inbox) -> None:
    email = f"{inbox.external_id}@example.com".lower()
    attributes = {"first_name": "Ada", "last_name": "Lovelace", "custom_attributes": {"plan": {"seats": 3}}}
    recipients = [{"external_id": inbox.external_id, "email": email, "phone_numbers": ["+441"], **attributes}]
    await send(inbox.http, notification(recipients=recipients))
    recipient = (await inbox.page())["notifications"][0]["recipient"]
    assert recipient == {
        "id": recipient["id"],
        "email": email,
        "external_id": inbox.external_id,
        **attributes,
    }


async def test_attributes_stay_until_others_are_sent(inbox: Inbox) -> None:
    person = {"external_id": inbox.external_id}
    ada, grace = {"first_name": "Ada", "last_name": "Lovelace"}, {"first_name": "Grace", "last_name": None}
    for attributes in (ada, {}, grace):
        await send(inbox.http, notification(recipients=[person | attributes]))
    recipient = (await inbox.page())["notifications"][0]["recipient"]
    assert (recipient["first_name"], recipient["last_name"]) == ("Grace", "Lovelace")


# ---- the response


async def test_the_response_has_the_contracts_fields_and_null_for_those_not_sent(
    http: httpx.AsyncClient, user: str
) -> None:
    response = await send(http, notification(user, title="Hello"))
    assert response.headers["content-type"] == "application/json"
    sent = response.json()["notification"]
    assert sent == {
        "id": sent["id"],
        "title": "Hello",
        "content": None,
        "action_url": None,
        "category": "",
        "topic": None,
        "custom_attributes": None,
        "sent_at": sent["sent_at"],
    }
    assert UUID(sent["id"])
    assert isinstance(sent["sent_at"], int)


async def test_the_item_holds_what_was_sent(inbox: Inbox) -> None:
    fields = {
        "title": "Invoice \u0000 ¶ </script>",
        "content": "<b>42</b>\n",
        "action_url": "https://example.com/?a=b#c",
        "category": "billing",
        "topic": "invoice:42",
        "custom_attributes": {
            "camelCase": [1, 2.5, None, {"snake_case": True}],
            "big": 12345678901234567890123,
            "": "",
        },
    }
    response = await send(inbox.http, notification(inbox.external_id, **fields))
    sent = response.json()["notification"]
    item = await inbox.item(sent["id"])
    assert {name: sent[name] for name in fields} == fields
    assert {name: item[name] for name in sent} == sent


async def test_the_in_app_override_changes_the_inbox_and_not_the_response(inbox: Inbox) -> None:
    override = {"title": "Short", "action_url": "app://invoice", "content": None}
    body = notification(
        inbox.external_id,
        title="Long",
        content="Text",
        overrides={"channels": {"in_app": override, "email": {"title": "Mail"}}},
    )
    response = await send(inbox.http, body)
    item = await inbox.item(response.json()["notification"]["id"])
    shown = (item["title"], item["content"], item["action_url"])
    assert (shown, response.json()["notification"]["title"]) == (("Short", "Text", "app://invoice"), "Long")


async def test_fields_that_the_contract_does_not_name_are_ignored(inbox: Inbox) -> None:
    body = notification(inbox.external_id, id="mine", sent_at=1, unknown={"a": 1}) | {"other": True}
    sent = (await send(inbox.http, body)).json()["notification"]
    assert sent["id"] != "mine"
    assert "unknown" not in await inbox.item(sent["id"])


# ---- Idempotency-Key


async def test_a_repeated_request_gets_the_first_response_byte_for_byte_and_one_item(inbox: Inbox) -> None:
    body = notification(inbox.external_id)
    first, second = [await send(inbox.http, body, Idempotency_Key=inbox.external_id) for _ in range(2)]
    assert (second.status_code, second.content) == (first.status_code, first.content) == (201, first.content)
    assert (await inbox.page())["total"] == 1


async def test_a_used_key_with_another_body_is_refused(inbox: Inbox) -> None:
    await send(inbox.http, notification(inbox.external_id, title="1"), Idempotency_Key=inbox.external_id)
    other = await send(inbox.http, notification(inbox.external_id, title="2"), Idempotency_Key=inbox.external_id)
    assert (other.status_code, code(other)) == (422, "idempotency_key_reused")
    assert await inbox.titles() == ["1"]


async def test_concurrent_duplicates_make_one_item(inbox: Inbox) -> None:
    body = notification(inbox.external_id)
    responses = await asyncio.gather(*(send(inbox.http, body, Idempotency_Key=inbox.external_id) for _ in range(20)))
    done = [response for response in responses if response.status_code == 201]
    busy = [response for response in responses if response.status_code == 409]
    assert len(done) + len(busy) == 20
    assert len({response.content for response in done}) == 1
    assert {(code(response), response.headers["retry-after"]) for response in busy} <= {("idempotency_key_in_use", "1")}
    assert (await inbox.page())["total"] == 1


async def test_without_a_key_a_repeated_request_makes_another_item(inbox: Inbox) -> None:
    assert await inbox.receive() != await inbox.receive()
    assert (await inbox.page())["total"] == 2


async def test_a_retry_does_not_bring_back_an_item_that_the_user_deleted(inbox: Inbox) -> None:
    body = notification(inbox.external_id)
    first = await send(inbox.http, body, Idempotency_Key=inbox.external_id)
    await inbox.do(f"DELETE {first.json()['notification']['id']}")
    assert (await send(inbox.http, body, Idempotency_Key=inbox.external_id)).content == first.content
    assert await inbox.titles() == []


async def test_a_retry_does_not_undo_what_the_user_did_since(inbox: Inbox) -> None:
    body = notification(inbox.external_id)
    first = await send(inbox.http, body, Idempotency_Key=inbox.external_id)
    await inbox.do(f"{first.json()['notification']['id']}/read")
    before = await inbox.page()
    await send(inbox.http, body, Idempotency_Key=inbox.external_id)
    assert await inbox.page() == before


@pytest.mark.parametrize("refusal", ["invalid", "conflict"])
async def test_a_refused_request_frees_its_key(http: httpx.AsyncClient, user: str, refusal: str) -> None:
    person = {"external_id": user, "email": f"{user}@x.y"}
    await send(http, notification(user))
    await send(http, notification(recipients=[{"email": f"{user}@x.y"}]))
    bad = notification(recipients=[person]) if refusal == "conflict" else notification(user, title="")
    assert (await send(http, bad, Idempotency_Key=user)).status_code == 422
    assert (await send(http, notification(user), Idempotency_Key=user)).status_code == 201


@pytest.mark.parametrize(("length", "status"), [(255, 201), (256, 422)])
async def test_a_key_has_at_most_255_characters(http: httpx.AsyncClient, user: str, length: int, status: int) -> None:
    response = await send(http, notification(user), Idempotency_Key=user.encode().hex().ljust(256, "x")[:length])
    assert response.status_code == status
