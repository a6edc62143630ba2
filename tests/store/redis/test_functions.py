"""Descriptors: the forms that follow from a function's traits, and the arguments that a call packs."""

import pytest

from gateway.store.redis.functions import (
    Arguments,
    Function,
    Kind,
    Traits,
    UserFunction,
    list_of_bytes,
    no_arguments,
    nothing,
    optional_bytes,
    optional_int,
    reading_function,
    user_function,
    user_reading_function,
    writing_function,
)
from gateway.store.redis.library import Library, is_library_name


def pack(first: int, others: list[str]) -> Arguments:
    return (first, len(others), *others)


def test_calling_a_descriptor_packs_the_arguments_and_sends_nothing() -> None:
    call = writing_function("f", "thing", pack, int)("key", first=1, others=["a", "b"])
    assert (call.function.name, call.key, call.arguments) == ("f", "key", (1, 2, "a", "b"))


def test_a_function_for_a_full_server_shares_everything_but_name_and_flag() -> None:
    function = writing_function("f", "thing", pack, int, when_full=True, repeatable=False)
    full = function("key", 1, []).when_full().function
    assert (full.name, full.lua_name, full.key, full.pack) == ("f_when_full", "f", "thing", pack)
    assert (function.traits.flags, full.traits.flags) == ("{}", "{'allow-oom'}")
    assert not full.traits.repeatable


def test_a_user_function_goes_behind_a_guard() -> None:
    call = user_function("f", pack, int, when_full=True)(1, ["a"])
    assert call.with_guard("user", ("guard",)).arguments == ("guard", 1, 1, "a")
    assert call.when_full("user", ("guard",)).function.name == "f_when_full"


def test_a_reading_user_function_has_a_form_that_writes_nothing() -> None:
    function = user_reading_function("f", no_arguments, nothing, uncounted_lua_name="peek")
    peeking = function().peeking("user", ()).function
    assert (peeking.name, peeking.lua_name, peeking.traits.flags) == ("f_uncounted", "peek", "{'no-writes'}")
    assert not function.counted.traits.durable


@pytest.mark.parametrize(
    ("traits", "flags"),
    [
        (Traits(Kind.READING), "{'no-writes'}"),
        (Traits(Kind.PEEKING), "{'no-writes'}"),
        (Traits(Kind.WRITING), "{}"),
        (Traits(Kind.GUARDED, frees_memory=True), "{'allow-oom'}"),
    ],
)
def test_traits_decide_the_flags(traits: Traits, flags: str) -> None:
    assert traits.flags == flags


def test_optional_replies() -> None:
    assert (optional_bytes(None), optional_bytes(b"x"), optional_int(None), optional_int(b"7")) == (None, b"x", None, 7)
    assert list_of_bytes([b"a"]) == [b"a"]


def library(*descriptors: Function[..., int] | UserFunction[..., int], source: str = "") -> Library:
    lua = "local function f(keys, args) return 1 end" + source
    return Library(descriptors, "local A = 1", {}, {"f.lua": lua})


def test_a_librarys_name_is_a_digest_of_its_sources_and_its_descriptors() -> None:
    reading = reading_function("f", "thing", no_arguments, int)
    writing = writing_function("f", "thing", no_arguments, int)
    assert library(reading).name == library(reading).name
    assert len({library(reading).name, library(writing).name, library(reading, source=" ").name}) == 3
    assert is_library_name(library(reading).name)


def test_functions_are_registered_under_the_librarys_name() -> None:
    one = library(reading_function("f", "thing", no_arguments, int))
    assert f"function_name='{one.name}_f', callback=reading(f), flags={{'no-writes'}}" in one.code
    assert one.qualified("f") == f"{one.name}_f"


def test_two_descriptors_of_one_function_are_refused() -> None:
    with pytest.raises(ValueError, match="two descriptors"):
        library(reading_function("f", "a", no_arguments, int), reading_function("f", "b", no_arguments, int))


@pytest.mark.parametrize("name", ["inbox_", "inbox_of_another", "other_0123456789ab", "inbox_0123456789ABC"])
def test_libraries_of_others_are_recognised(name: str) -> None:
    assert not is_library_name(name)
