"""The Lua function library: put together from `functions/*.lua`, named by its content, loaded when missing.

A library's name carries a digest of its code, so gateways of two versions run side by side on one Redis during an
upgrade, each with its own functions.
"""

import hashlib
import re
from importlib.resources import files

from gateway.store import keys

# A file may use what the ones of these that come before it define.
_SHARED = (
    *("whole.lua", "item.lua", "index.lua", "log.lua", "guard.lua", "roster.lua"),
    *("subscriptions.lua", "preferences.lua", "retention.lua"),
)

# What these define is their own: Lua has room for 200 names that all can see.
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

USER_FUNCTIONS = (
    "create",
    "change",
    "change_all",
    "delete",
    "trim",
    "list",
    "get",
    "read_log",
    "use",
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
"""Functions that pass the guard: each takes its arguments first, and its result comes wrapped."""

PLAIN_FUNCTIONS = (
    "note_life",
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
    "put_content",
    "delete_content",
    "list_content",
    "unlist_contents",
    "claim_device",
    "settle_device",
    "release_device",
    "own_token",
    "issue_project_token",
    "discard_project_token",
    "create_job",
    "list_job",
    "start_job",
    "save_job",
    "finish_job",
    "enqueue_job",
    "claim_job",
    "renew_job",
    "release_job",
    "drop_job",
    "prepare_projects",
    "put_project",
    "delete_project",
    "discard_project",
    "check_write",
    "put_workspace",
    "revoke_workspace_token",
    "add_active",
    "count_active",
)

READ_FUNCTIONS = (
    "find",
    "read_categories",
    "listed_contents",
    "read_content",
    "read_profile",
    "roster_size",
    "read_roster",
    "subscribers_claim",
    "token_owner",
    "project_token",
    "list_project_tokens",
    "read_job",
    "find_jobs",
    "read_portion",
    "read_reached",
    "store_state",
    "find_project",
    "list_projects",
    "find_workspace",
    "read_format",
)
"""Functions without a guard that only read, so that a server out of memory can still run them."""

UNCOUNTED = ("list", "get", "read_log", "use", "read_preferences", "read_subscriptions", "list_tokens")
"""Functions that exist as `…_uncounted` too, which write nothing: a server out of memory can still run them."""

FREEING = frozenset(
    (
        *("trim", "delete_user", "forget", "remove_subscriber", "read_subscribers", "delete_subscriptions"),
        *("delete_content", "unlist_contents", "remove_device", "settle_device", "release_device"),
        *("discard_token", "discard_tokens_before", "discard_project_token", "revoke_workspace_token"),
        *("delete_project", "discard_project", "put_project"),
        *("enqueue_job", "claim_job", "renew_job", "release_job", "drop_job", "start_job", "save_job", "finish_job"),
        *("abandon_idempotent", "finish_idempotent", "renew_idempotent", "note_life"),
    )
)
"""Functions that a server out of memory runs as well: they free memory, end access, or finish what was begun."""

NOT_REPEATED = frozenset(
    ("delete", "delete_when_full", "remove_device", "delete_subscriptions", "put_project", "delete_project")
)
"""Functions whose answer says whether this call found something to do: a repetition of one whose answer was lost would
say that there was nothing. Any other may be repeated: it compares before it sets.
"""

WHEN_FULL = ("delete", "change", "change_all", "create_job")
"""Functions that exist as `…_when_full` too, for a server out of memory: what they add is small, or cut elsewhere."""

_UNRECORDED = (
    *UNCOUNTED,
    *("note_life", "count_call", "read_subscribers", "add_active", "count_active", "check_write"),
)
"""Functions that may write, but nothing that an answer to a client rests on."""

RECORDING = frozenset(
    (*USER_FUNCTIONS, *PLAIN_FUNCTIONS, *(f"{function}_when_full" for function in WHEN_FULL))
) - frozenset(_UNRECORDED)
"""Functions that write what must last once it was acknowledged."""


_WHEN_FULL = "{'allow-oom'}"


def _writing(function: str) -> str:
    return f"guarded({function}, true)" if function in USER_FUNCTIONS else f"whole({function})"


_CALLBACKS = {
    **{
        function: (_writing(function), _WHEN_FULL if function in FREEING else "{}")
        for function in (*USER_FUNCTIONS, *PLAIN_FUNCTIONS)
    },
    **{f"{function}_uncounted": (f"guarded({function})", "{'no-writes'}") for function in UNCOUNTED},
    "read_log_uncounted": ("guarded(peek_log)", "{'no-writes'}"),
    **{f"{function}_when_full": (_writing(function), _WHEN_FULL) for function in WHEN_FULL},
    **{function: (f"reading({function})", "{'no-writes'}") for function in READ_FUNCTIONS},
}
"""What runs for each name, and its flags."""


def _constants() -> str:
    suffixes = keys.USER_SUFFIXES | keys.DIRECTORY_SUFFIXES | keys.JOB_SUFFIXES | keys.PROJECT_SUFFIXES
    constants = [f"local {name} = '{suffix}'" for name, suffix in suffixes.items()]
    whole_keys = ", ".join(f"'{keys.USER_SUFFIXES[name]}'" for name in keys.USER_KEYS)
    constants.append(f"local FORMAT = '{keys.FORMAT}'")
    constants.append(f"local LIFE = '{keys.LIFE}'")
    constants.append(f"local USER_KEYS = {{ {whole_keys} }}")
    return "\n".join(constants)


_SOURCES = {name: (files("gateway.store") / "functions" / name).read_text() for name in (*_SHARED, *_OWN)}
NAME = "inbox_" + hashlib.sha256(f"{_constants()}{_SOURCES}{_CALLBACKS}".encode()).hexdigest()[:12]


def qualified(function: str) -> str:
    """Give the name under which a function of this version is called: names are global in a server."""
    return f"{NAME}_{function}"


def _registered(source: str) -> str:
    """Give a file with the registrations of those functions that it defines."""
    defined = re.findall(r"^local function (\w+)", source, re.MULTILINE)
    registrations = [
        f"redis.register_function{{function_name='{qualified(function)}', callback={callback}, flags={flags}}}"
        for function, (callback, flags) in _CALLBACKS.items()
        if function.removesuffix("_uncounted").removesuffix("_when_full") in defined
    ]
    return "\n".join([source, *registrations])


def _code() -> str:
    shared = [_registered(_SOURCES[name]) for name in _SHARED]
    own = [f"do\n{_registered(_SOURCES[name])}\nend" for name in _OWN]
    return "\n".join([f"#!lua name={NAME}", _constants(), *shared, *own])


CODE = _code()
