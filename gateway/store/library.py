"""The function library of this version: the Lua sources in `functions/`, and the descriptors of all stores."""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from types import ModuleType

from gateway.channels import inbox as inbox_channel
from gateway.channels.registry import TOKEN_KINDS
from gateway.domain.delivery import ADDRESSES, Route
from gateway.domain.preferences import Channel
from gateway.store import (
    activity,
    admin_limits,
    backup_copies,
    categories,
    channel_tokens,
    contents,
    deletion,
    delivery_configs,
    directory,
    formats,
    former_devices,
    guarded,
    idempotency,
    inbox,
    installations,
    integrations,
    item_history,
    item_pages,
    job_queue,
    jobs,
    keys,
    lanes,
    libraries,
    outbox,
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
    user_pages,
    webhook_endpoints,
    webhook_messages,
    workspaces,
)
from gateway.store.redis import generation
from gateway.store.redis.functions import AnyDescriptor, Function, UserFunction
from gateway.store.redis.library import Library

_SHARED = (
    *("undo.lua", "item.lua", "index.lua", "log.lua", "guard.lua", "users.lua"),
    *("subscriptions.lua", "preferences.lua", "outbox.lua", "retention.lua"),
)

_OWN = (
    "read.lua",
    "pages.lua",
    "tokens.lua",
    "channel_tokens.lua",
    "change.lua",
    "profiles.lua",
    "deletion.lua",
    "deliveries.lua",
    "categories.lua",
    "delivery_configs.lua",
    "contents.lua",
    "directory.lua",
    "user_pages.lua",
    "idempotency.lua",
    "integrations.lua",
    "jobs.lua",
    "lanes.lua",
    "projects.lua",
    "project_events.lua",
    "workspaces.lua",
    "activity.lua",
    "libraries.lua",
    "webhooks.lua",
    "backup.lua",
)

_MODULES = (
    activity,
    admin_limits,
    backup_copies,
    categories,
    channel_tokens,
    contents,
    deletion,
    delivery_configs,
    directory,
    formats,
    former_devices,
    generation,
    guarded,
    idempotency,
    inbox,
    installations,
    integrations,
    item_history,
    item_pages,
    job_queue,
    jobs,
    lanes,
    libraries,
    outbox,
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
    user_pages,
    webhook_endpoints,
    webhook_messages,
    workspaces,
)


def _constants() -> dict[str, str]:
    """Return the Lua constants, most of which name keys, by their names."""
    suffixes = (
        *(keys.USER_SUFFIXES, keys.DIRECTORY_SUFFIXES, keys.JOB_SUFFIXES),
        *(keys.PROJECT_SUFFIXES, keys.EVENT_SUFFIXES, keys.HOLDER_SUFFIXES, keys.LANE_SUFFIXES, keys.WEBHOOK_SUFFIXES),
    )
    user_keys = ", ".join(f"'{keys.USER_SUFFIXES[name]}'" for name in keys.USER_KEYS)
    kinds = ", ".join(f"'{kind.path}'" for kind in TOKEN_KINDS)
    return {name: f"'{suffix}'" for group in suffixes for name, suffix in group.items()} | {
        "INBOX_TOKENS": f"'{keys.USER_SUFFIXES['CHANNEL_TOKENS']}{inbox_channel.TOKEN.path}'",
        "TOKEN_KINDS": f"{{ {kinds} }}",
        "ROUTES": f"{{ {', '.join(_routes())} }}",
        "FORMAT": f"'{keys.FORMAT}'",
        "GENERATION": f"'{keys.GENERATION}'",
        "USER_KEYS": f"{{ {user_keys} }}",
    }


def _routes() -> Iterator[str]:
    """Yield of each route to users, as Lua: its bit, its place in preferences, its kind of tokens, and the field of the
    user's record that has the address."""
    channels = list(Channel)
    for bit, route in enumerate(Route):
        if route.channel is not None:
            place, field = channels.index(route.channel) + 1, ADDRESSES.get(route, "")
            yield f"{route.code} = {{ {2**bit}, {place}, '{route.token_kind}', '{field}' }}"


def _declared(source: str, constants: Mapping[str, str]) -> str:
    """Return declarations of the constants that a source uses, in one line. (Lua has at most 200 local variables.)"""
    words = set(re.findall(r"\w+", source))
    return " ".join(f"local {name} = {value}" for name, value in constants.items() if name in words)


def _descriptors(*modules: ModuleType) -> Iterator[AnyDescriptor]:
    """Yield the descriptors that modules declare."""
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Function | UserFunction):
                yield value


def _sources(names: tuple[str, ...]) -> dict[str, str]:
    return {name: (files("gateway.store") / "functions" / name).read_text() for name in names}


def _library() -> Library:
    """Return the library. A source of `_OWN` declares the constants that no source of `_SHARED` uses itself."""
    constants, shared, own = _constants(), _sources(_SHARED), _sources(_OWN)
    common = _declared("\n".join(shared.values()), constants)
    others = {name: value for name, value in constants.items() if f"local {name} =" not in common}
    own = {name: f"{_declared(source, others)}\n{source}" for name, source in own.items()}
    return Library(_descriptors(*_MODULES), common, shared, own)


LIBRARY = _library()
