"""The Lua function library: put together from `functions/*.lua`, named by its content, loaded when missing.

A library's name carries a digest of its code, so gateways of two versions run side by side on one Redis during an
upgrade, each with its own functions.
"""

import hashlib
from importlib.resources import files

from gateway.store import keys

# A file may use what the ones before it define.
_SOURCES = ("user.lua", "read.lua", "preferences.lua", "devices.lua", "change.lua", "directory.lua")

FUNCTIONS = (
    "create",
    "change",
    "change_all",
    "delete",
    "list",
    "get",
    "read_log",
    "read_preferences",
    "set_preferences",
    "read_subscriptions",
    "set_subscriptions",
    "delete_subscriptions",
    "put_device",
    "remove_device",
    "resolve",
    "begin_idempotent",
    "finish_idempotent",
    "abandon_idempotent",
    "read_categories",
    "record_category",
    "claim_device",
    "settle_device",
    "release_device",
)

READ_ONLY = {"list", "get", "read_preferences", "read_subscriptions", "read_categories"}
"""Functions that a server out of memory, or one that may not write, can still run."""


def _body() -> str:
    constants = [f"local {name} = '{suffix}'" for name, suffix in keys.USER_SUFFIXES.items()]
    sources = [(files("gateway.store") / "functions" / name).read_text() for name in _SOURCES]
    return "\n".join([*constants, *sources])


_BODY = _body()
NAME = "inbox_" + hashlib.sha256((_BODY + ",".join(FUNCTIONS)).encode()).hexdigest()[:12]


def qualified(function: str) -> str:
    """Give the name under which a function of this version is called: names are global in a server."""
    return f"{NAME}_{function}"


def _registration(function: str) -> str:
    flags = "{'no-writes'}" if function in READ_ONLY else "{}"
    return f"redis.register_function{{function_name='{qualified(function)}', callback={function}, flags={flags}}}"


CODE = "\n".join(
    [
        f"#!lua name={NAME}",
        _BODY,
        *map(_registration, FUNCTIONS),
    ]
)
