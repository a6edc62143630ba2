"""The function library of this version: the Lua sources in `functions/`, and the descriptors of all stores."""

from collections.abc import Iterator
from importlib.resources import files
from types import ModuleType

from gateway.store import contents, formats, guarded, inbox, job_queue, jobs, keys, state, trimming
from gateway.store.redis import generation
from gateway.store.redis.functions import AnyDescriptor, Arguments, Function, Kind, Traits, UserFunction, untouched
from gateway.store.redis.library import Library
from gateway.store.redis.protocol import Argument

_SHARED = (
    *("whole.lua", "item.lua", "index.lua", "log.lua", "guard.lua", "users.lua"),
    *("subscriptions.lua", "preferences.lua", "retention.lua"),
)

_OWN = (
    "read.lua",
    "tokens.lua",
    "devices.lua",
    "change.lua",
    "profiles.lua",
    "deletion.lua",
    "categories.lua",
    "contents.lua",
    "directory.lua",
    "idempotency.lua",
    "jobs.lua",
    "projects.lua",
    "workspaces.lua",
    "activity.lua",
)

_MODULES = (contents, formats, generation, guarded, inbox, job_queue, jobs, state, trimming)


def _constants() -> str:
    """Return the Lua constants that name keys."""
    suffixes = keys.USER_SUFFIXES | keys.DIRECTORY_SUFFIXES | keys.JOB_SUFFIXES | keys.PROJECT_SUFFIXES
    constants = [f"local {name} = '{suffix}'" for name, suffix in suffixes.items()]
    user_keys = ", ".join(f"'{keys.USER_SUFFIXES[name]}'" for name in keys.USER_KEYS)
    constants.append(f"local FORMAT = '{keys.FORMAT}'")
    constants.append(f"local GENERATION = '{keys.GENERATION}'")
    constants.append(f"local USER_KEYS = {{ {user_keys} }}")
    return "\n".join(constants)


def _descriptors(*modules: ModuleType) -> Iterator[AnyDescriptor]:
    """Iterate over the descriptors that modules declare."""
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Function | UserFunction):
                yield value


def _sources(names: tuple[str, ...]) -> dict[str, str]:
    return {name: (files("gateway.store") / "functions" / name).read_text() for name in names}


# Functions without a descriptor yet.
_USER = frozenset(
    (
        "set_profile",
        "read_preferences",
        "set_preferences",
        "read_subscriptions",
        "set_subscriptions",
        "delete_subscriptions",
        "put_device",
        "remove_device",
        "issue_token",
        "list_tokens",
        "discard_token",
        "discard_tokens_before",
    )
)
_PLAIN = frozenset(
    (
        "count_call",
        "delete_user",
        "resolve",
        "resolve_limited",
        "rename",
        "forget",
        "add_subscriber",
        "remove_subscriber",
        "read_subscribers",
        "begin_idempotent",
        "renew_idempotent",
        "finish_idempotent",
        "abandon_idempotent",
        "record_category",
        "claim_device",
        "settle_device",
        "release_device",
        "own_token",
        "issue_project_token",
        "discard_project_token",
        "prepare_projects",
        "put_project",
        "delete_project",
        "discard_project",
        "put_workspace",
        "revoke_workspace_token",
        "add_active",
        "count_active",
    )
)
_READ = frozenset(
    (
        "find",
        "read_categories",
        "read_profile",
        "user_index_size",
        "read_user_index",
        "subscribers_claim",
        "token_owner",
        "project_token",
        "list_project_tokens",
        "find_project",
        "list_projects",
        "find_workspace",
    )
)
_UNCOUNTED = frozenset(
    (
        "read_preferences",
        "read_subscriptions",
        "list_tokens",
    )
)
_FREEING = frozenset(
    (
        "abandon_idempotent",
        "delete_project",
        "delete_subscriptions",
        "delete_user",
        "discard_project",
        "discard_project_token",
        "discard_token",
        "discard_tokens_before",
        "finish_idempotent",
        "forget",
        "put_project",
        "read_subscribers",
        "release_device",
        "remove_device",
        "remove_subscriber",
        "renew_idempotent",
        "revoke_workspace_token",
        "settle_device",
    )
)
_NOT_REPEATED = frozenset(
    (
        "delete_project",
        "delete_subscriptions",
        "delete_when_full",
        "put_project",
        "remove_device",
    )
)
_WHEN_FULL: frozenset[str] = frozenset()
_UNRECORDED = frozenset(
    (
        "read_preferences",
        "read_subscriptions",
        "list_tokens",
        "count_call",
        "read_subscribers",
        "add_active",
        "count_active",
    )
)


def _given(*arguments: Argument) -> Arguments:
    return arguments


def _legacy() -> Iterator[AnyDescriptor]:
    for name in sorted(_USER | _PLAIN | _READ):
        kind = Kind.GUARDED if name in _USER else Kind.READING if name in _READ else Kind.WRITING
        traits = Traits(kind, name in _FREEING, name not in _NOT_REPEATED, name not in _UNRECORDED)
        if name in _USER:
            peeking = ("peek_log" if name == "read_log" else name) if name in _UNCOUNTED else ""
            full = name in _WHEN_FULL
            yield UserFunction(name, _given, untouched, traits, uncounted_lua_name=peeking, when_full=full)
        else:
            yield Function(name, "", _given, untouched, traits, when_full=name in _WHEN_FULL)


LIBRARY = Library((*_descriptors(*_MODULES), *_legacy()), _constants(), _sources(_SHARED), _sources(_OWN))
