"""The suggestion for a name that is not known."""

import tracemalloc

from gateway.domain.unknown_names import UnknownName, nearest_name

KNOWN = frozenset(("title", "content", "action_url"))


def test_the_most_similar_name_is_suggested() -> None:
    assert nearest_name("Titel", KNOWN) == "title"
    assert nearest_name("recipients", KNOWN) == ""


def test_long_names_are_not_kept_in_memory() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(50):
            assert nearest_name("title" + str(number) * 100_000, KNOWN) == ""
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


def test_a_warning_has_the_name_in_ascii_and_the_suggestion() -> None:
    assert UnknownName("a[0].titel", "title").warning == "'a[0].titel' is not known, did you mean 'title'?"
    assert UnknownName("größe", "").warning == "'gr%C3%B6%C3%9Fe' is not known"
