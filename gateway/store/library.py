"""The function library of this version: the Lua sources in `functions/`, and the descriptors of all stores."""

from collections.abc import Iterator
from importlib.resources import files
from types import ModuleType

from gateway.store import (
    activity,
    admin_limits,
    categories,
    contents,
    deletion,
    devices,
    directory,
    formats,
    guarded,
    idempotency,
    inbox,
    installations,
    integrations,
    item_pages,
    job_queue,
    jobs,
    keys,
    libraries,
    overrides,
    preferences,
    profiles,
    project_deletion,
    project_event_log,
    projects,
    state,
    subscriptions,
    tokens,
    trimming,
    workspaces,
)
from gateway.store.redis import generation
from gateway.store.redis.functions import AnyDescriptor, Function, UserFunction
from gateway.store.redis.library import Library

_SHARED = (
    *("undo.lua", "item.lua", "index.lua", "log.lua", "guard.lua", "users.lua"),
    *("subscriptions.lua", "preferences.lua", "retention.lua"),
)

_OWN = (
    "read.lua",
    "pages.lua",
    "tokens.lua",
    "devices.lua",
    "change.lua",
    "profiles.lua",
    "deletion.lua",
    "categories.lua",
    "contents.lua",
    "directory.lua",
    "idempotency.lua",
    "integrations.lua",
    "jobs.lua",
    "projects.lua",
    "project_events.lua",
    "workspaces.lua",
    "activity.lua",
    "libraries.lua",
)

_MODULES = (
    activity,
    admin_limits,
    categories,
    contents,
    deletion,
    devices,
    directory,
    formats,
    generation,
    guarded,
    idempotency,
    inbox,
    installations,
    integrations,
    item_pages,
    job_queue,
    jobs,
    libraries,
    overrides,
    preferences,
    profiles,
    project_deletion,
    project_event_log,
    projects,
    state,
    subscriptions,
    tokens,
    trimming,
    workspaces,
)


def _constants() -> str:
    """Return the Lua constants that name keys."""
    suffixes = (
        keys.USER_SUFFIXES | keys.DIRECTORY_SUFFIXES | keys.JOB_SUFFIXES | keys.PROJECT_SUFFIXES | keys.EVENT_SUFFIXES
    )
    constants = [f"local {name} = '{suffix}'" for name, suffix in suffixes.items()]
    user_keys = ", ".join(f"'{keys.USER_SUFFIXES[name]}'" for name in keys.USER_KEYS)
    constants.append(f"local FORMAT = '{keys.FORMAT}'")
    constants.append(f"local GENERATION = '{keys.GENERATION}'")
    constants.append(f"local USER_KEYS = {{ {user_keys} }}")
    return "\n".join(constants)


def _descriptors(*modules: ModuleType) -> Iterator[AnyDescriptor]:
    """Yield the descriptors that modules declare."""
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Function | UserFunction):
                yield value


def _sources(names: tuple[str, ...]) -> dict[str, str]:
    return {name: (files("gateway.store") / "functions" / name).read_text() for name in names}


LIBRARY = Library(_descriptors(*_MODULES), _constants(), _sources(_SHARED), _sources(_OWN))
