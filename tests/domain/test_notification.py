"""The table of states and transitions, and filters."""

import contextlib
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.notification import (
    BUCKETS,
    BulkCommand,
    Command,
    Filter,
    State,
    read_item_id,
    stored_categories,
)

times = st.none() | st.integers(1, 10)
commands = st.sampled_from([*Command, *BulkCommand])
legal_states = st.builds(State, times, times, times).filter(lambda state: state.bucket in BUCKETS)


@given(legal_states, commands)
def test_no_command_makes_a_read_item_unseen(state: State, command: Command) -> None:
    assert command.transition.apply(state, 20).bucket in BUCKETS


@given(legal_states, commands)
def test_a_command_given_twice_changes_nothing_the_second_time(state: State, command: Command) -> None:
    once = command.transition.apply(state, 20)
    assert command.transition.apply(once, 30) == once


@given(legal_states, st.sampled_from([Command.READ, Command.UNREAD, Command.SEEN]))
def test_the_archived_state_survives_reading(state: State, command: Command) -> None:
    assert command.transition.apply(state, 20).archived_at == state.archived_at


@given(legal_states, st.sampled_from([Command.ARCHIVE, Command.UNARCHIVE]))
def test_the_read_state_survives_archiving(state: State, command: Command) -> None:
    after = command.transition.apply(state, 20)
    assert (after.read_at, after.seen_at) == (state.read_at, state.seen_at)


@pytest.mark.parametrize(
    ("command", "before", "after"),
    [
        (Command.READ, State(), State(seen_at=20, read_at=20)),
        (Command.READ, State(seen_at=5), State(seen_at=5, read_at=20)),
        (Command.UNREAD, State(seen_at=5, read_at=6), State(seen_at=5)),
        (Command.SEEN, State(), State(seen_at=20)),
        (Command.ARCHIVE, State(), State(archived_at=20)),
        (Command.UNARCHIVE, State(archived_at=5), State()),
        (BulkCommand.READ_ALL, State(), State(seen_at=20, read_at=20)),
        (BulkCommand.SEEN_ALL, State(), State(seen_at=20)),
        (BulkCommand.ARCHIVE_ALL, State(seen_at=10), State(seen_at=10, archived_at=20)),
    ],
)
def test_each_command_writes_the_facts_of_its_transition(command: Command, before: State, after: State) -> None:
    assert command.transition.apply(before, 20) == after


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (Command.READ, "ss-"),
        (Command.UNREAD, "-c-"),
        (Command.SEEN, "s--"),
        (Command.ARCHIVE, "--s"),
        (Command.UNARCHIVE, "--c"),
    ],
)
def test_the_code_of_a_transition_is_that_of_the_lua_function(command: Command, code: str) -> None:
    assert command.transition.code == code


@given(legal_states, *[st.none() | st.booleans()] * 3)
def test_a_filters_buckets_are_those_of_the_items_it_matches(
    state: State, read: bool | None, seen: bool | None, archived: bool | None
) -> None:
    facts = ((read, state.read_at), (seen, state.seen_at), (archived, state.archived_at))
    wanted = all(flag is None or flag == (time is not None) for flag, time in facts)
    assert Filter(read, seen, archived).matches(state, "", "") is wanted


def test_a_filter_matches_its_categories_and_topics_only() -> None:
    matching = Filter(categories=("a", ""), topics=("t",))
    assert matching.matches(State(), "a", "t")
    assert matching.matches(State(), "", "t")
    assert not matching.matches(State(), "b", "t")
    assert not matching.matches(State(), "a", "")


def test_an_event_carries_only_what_was_asked_for() -> None:
    assert Filter().as_json() == {}
    assert Filter(read=False, categories=("", "a"), topics=("t",)).as_json() == {
        "read": False,
        "categories": ["uncategorized", "a"],
        "topics": ["t"],
    }


def test_the_word_for_uncategorized_is_stored_as_nothing() -> None:
    assert stored_categories(["a", "uncategorized", "a"]) == ("a", "")


@pytest.mark.parametrize(
    "form", [str, lambda uuid: uuid.hex, lambda uuid: f"{{{str(uuid).upper()}}}", lambda uuid: uuid.urn]
)
def test_an_item_id_is_read_from_every_form_of_a_uuid(form: Callable[[UUID], str]) -> None:
    uuid = UUID("01234567-89ab-4cde-8f01-23456789abcd")
    assert read_item_id(form(uuid)) == uuid.bytes


@pytest.mark.parametrize("text", ["", "ada", "0" * 31, "0" * 33, "-0 0" * 8, "x" * 32, "urn:" + "x" * 32])
def test_any_other_text_is_no_item_id(text: str) -> None:
    with pytest.raises(ValueError, match=r"UUID|base 16"):
        read_item_id(text)


@given(st.text("0aF- {}", max_size=40))
@example("0" * 30 + "  ")
@example("0" * 14 + "-" * 4 + "  " + "0" * 18)
@example("\N{ARABIC-INDIC DIGIT ZERO}" * 32)
def test_item_ids_are_read_as_uuid_reads_them(text: str) -> None:
    try:
        expected = UUID(text).bytes
    except ValueError:
        expected = None
    with contextlib.nullcontext() if expected else pytest.raises(ValueError, match=r"UUID|base 16"):
        assert read_item_id(text) == expected


@pytest.mark.parametrize("wanted", [Filter(), Filter(read=False), Filter(read=True, archived=False)])
def test_the_digits_of_a_filter_are_its_buckets(wanted: Filter) -> None:
    assert wanted.bucket_digits == "".join(map(str, wanted.buckets))
