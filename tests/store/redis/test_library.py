"""The Lua function library, and the agreement of its descriptors with the headers of the Lua functions."""

import re
import typing
from importlib.resources import files
from typing import Any, NamedTuple

import pytest

from gateway.store.library import LIBRARY
from gateway.store.redis.functions import AnyFunction, Arguments
from tests.store.conftest import InspectedClient

ANY = "*"


class Header(NamedTuple):
    """The key and arguments in the comment above a Lua function, and the greatest argument that its body reads."""

    key: str
    arguments: list[str]
    last_read: int


def headers() -> dict[str, Header]:
    """Return the headers of all Lua functions that have one, by name.

    `-- ARGV` names the arguments. Text in parentheses is an explanation, `name…` are all elements of a list, and
    `#name` is their number.
    """
    found: dict[str, Header] = {}
    for path in (files("gateway.store") / "functions").iterdir():
        for comment, name, body in re.findall(
            r"((?:^--[^\n]*\n)+)^local function (\w+)\([^)]*\)([^\n]* end\n|.*?^end)",
            path.read_text(),
            re.MULTILINE | re.DOTALL,
        ):
            key = re.search(r"^-- KEYS  (.*)$", comment, re.MULTILINE)
            if key is None:
                continue
            block = re.search(r"^-- ARGV  (.*(?:\n--      .*)*)", comment, re.MULTILINE)
            text = block[1].replace("\n--", " ") if block else ""
            read = [int(number) for number in re.findall(r"\bargs\[(\d+)\]", body)]
            found[name] = Header(_unexplained(key[1]), _unexplained(text).split(), max(read, default=0))
    return found


def _unexplained(text: str) -> str:
    while (shorter := re.sub(r"\([^()]*\)", "", text)) != text:
        text = shorter
    return text.strip()


class Named:
    """Stands for an argument of this name."""

    def __init__(self, name: str):
        self.name = name


def packed(function: AnyFunction) -> list[str]:
    """Return the names of a function's arguments in the order in which Python packs them, ANY for a constant."""
    given: dict[str, Any] = {}
    for name, kind in typing.get_type_hints(function.pack).items():
        if name == "return":
            continue
        if hasattr(kind, "_fields"):
            given[name] = kind(*[Named(field) for field in kind._fields])
        elif kind is Arguments or typing.get_origin(kind) not in (None, typing.Union, type(int | str)):
            given[name] = (Named(f"{name}…"), Named(f"{name}…"))
        else:
            given[name] = True if kind is bool else Named(name)
    names = [each.name if isinstance(each, Named) else ANY for each in function.pack(**given)]
    return [name for name, before in zip(names, ["", *names], strict=False) if name != before or not name.endswith("…")]


HEADERS = headers()


def header_of(function: AnyFunction) -> Header:
    """Return the header of a function's Lua function."""
    assert function.name in HEADERS, (
        f"no Lua function {function.name} has a header: `-- KEYS  …` with two spaces, directly above it"
    )
    return HEADERS[function.name]


FUNCTIONS = [function for function in LIBRARY.functions.values() if function.name == function.lua_name]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_a_descriptor_agrees_with_the_header_of_its_lua_function(function: AnyFunction) -> None:
    header = header_of(function)
    assert function.key == header.key, f"the header of {function.name} says another kind of key than its descriptor"
    ours = packed(function)
    differ = f"{function.name}: its descriptor packs {ours}, and `-- ARGV` of its Lua header names {header.arguments}"
    assert len(ours) == len(header.arguments), differ
    assert [name for name in ours if name != ANY] == [
        name for name, our in zip(header.arguments, ours, strict=True) if our != ANY
    ], differ


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_a_lua_function_reads_no_argument_that_its_header_does_not_name(function: AnyFunction) -> None:
    header = header_of(function)
    repeated = any(name.endswith("…") for name in header.arguments)
    assert header.last_read <= len(header.arguments) or repeated, (
        f"{function.name} reads args[{header.last_read}], and `-- ARGV` of its header names {header.arguments}"
    )


async def test_every_described_function_is_registered_and_no_other(client: InspectedClient) -> None:
    (listed,) = await client.redis.execute_command("FUNCTION", "LIST", "LIBRARYNAME", LIBRARY.name)
    found = dict(zip(listed[::2], listed[1::2], strict=True))[b"functions"]
    names = {dict(zip(one[::2], one[1::2], strict=True))[b"name"].decode() for one in found}
    assert names == {LIBRARY.qualified(function) for function in LIBRARY.functions}


def test_every_lua_function_with_a_header_is_described() -> None:
    described = {function.lua_name for function in LIBRARY.functions.values()}
    missing = sorted(set(HEADERS) - described)
    assert not missing, f"{missing} need a descriptor, in a module that _MODULES of gateway/store/library.py lists"


def test_every_described_function_exists() -> None:
    defined = set(re.findall(r"^local function (\w+)", LIBRARY.code, re.MULTILINE))
    missing = sorted({function.lua_name for function in LIBRARY.functions.values()} - defined)
    assert not missing, f"{missing} are in no Lua file that _OWN or _SHARED of gateway/store/library.py lists"
