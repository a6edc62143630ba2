"""Every setting: read once from the environment, frozen, typed. A misspelt `INBOX_*` name is an error."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from gateway.domain.address import read_network
from gateway.domain.credential_rules import api_key_fault, api_secret_fault, secret_key_fault
from gateway.domain.new_user_limits import NewUserLimits
from gateway.domain.origin import read_origin
from gateway.domain.proxy import read_public_url
from gateway.domain.redis_address import SCHEMES, redis_address_fault
from gateway.domain.retention import MOST_ITEMS, MOST_SECONDS, ItemRetention
from gateway.domain.service_links import is_service_link

PREFIX = "INBOX_"
REDIS_SCHEMES = tuple(f"{scheme}://" for scheme in SCHEMES)

LEAST_VALKEY_MEMORY_MB = 16
"""An empty Valkey with the function library and some connections takes 5."""


class SettingsError(Exception):
    """The environment does not make sense. The message names every setting that is wrong."""


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _origins(text: str) -> tuple[str, ...]:
    origins = {entry: read_origin(entry) for entry in _entries(text)}
    if not origins:
        raise ValueError("names no origin; `*` is any")
    if wrong := [entry for entry, origin in origins.items() if origin is None]:
        named = ", ".join(map(repr, wrong))
        raise ValueError(f"must have origins such as https://app.example.com or https://*.example.com, not {named}")
    return tuple(dict.fromkeys(origin for origin in origins.values() if origin is not None))


def _networks(text: str) -> tuple[str, ...]:
    if text.strip() == "none":
        return ()
    return tuple(dict.fromkeys(str(read_network(entry)) for entry in _entries(text)))


def _host(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]  # as in an address
    if "/" in text or text.count(":") == 1 or text != text.strip():
        raise ValueError(f"must be an address or a name alone, such as 127.0.0.1, not {text!r}; INBOX_PORT is the port")
    return text


def _without(fault_of: Callable[[str], str]) -> Callable[[str], str]:
    """Return how a text is read that must have no fault; the fault does not repeat the text, which may be a secret."""

    def read(text: str) -> str:
        if fault := fault_of(text):
            raise ValueError(fault)
        return text

    return read


def _setting(
    default: Any,
    help_text: str,
    *,
    least: float | None = None,
    most: float | None = None,
    secret: bool = False,
    choices: tuple[str, ...] = (),
    read: Callable[[str], Any] | None = None,
) -> Any:
    metadata = {"help": help_text, "least": least, "most": most, "secret": secret, "choices": choices, "read": read}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The environment, understood. A field `x_y` is the variable `INBOX_X_Y`."""

    host: str = _setting(
        "127.0.0.1", "Address to listen on; `0.0.0.0` is every one, `::` every one of IPv6 too.", read=_host
    )
    port: int = _setting(8000, "Port to listen on.", least=0, most=65535)
    workers: int = _setting(1, "Worker processes on that port.", least=1)
    redis_url: str = _setting(
        "",
        "A Redis ≥ 7 or Valkey ≥ 8 to use; unset: the bundled Valkey. `redis+cluster://host:port,host:port` is a "
        "cluster, `redis+sentinel://host:port,host:port/service` the primary that Sentinel names; `rediss` is TLS.",
        secret=True,
        read=_without(redis_address_fault),
    )
    redis_timeout_seconds: float = _setting(2.0, "How long one Redis call may take.", least=0.05)
    data_dir: Path = _setting(Path("data"), "Where the bundled Valkey and generated keys live.")
    durability: str = _setting(
        "memory",
        "What an acknowledged write survives. With the bundled Valkey, `memory`: the death of the gateway; a crash of "
        "Valkey or the machine may lose the last two seconds. `disk`: any crash, by an fsync before each answer. With "
        "a server of your own, `replica`: the loss of the primary, by waiting for a replica; else what that server is "
        "set to.",
        choices=("memory", "disk", "replica"),
    )
    secret_key: str = _setting(
        "",
        "Encrypts API secrets at rest and signs workspace tokens; the same on every node. Unset: generated in the data "
        "directory.",
        secret=True,
        read=_without(secret_key_fault),
    )
    valkey_memory_mb: int = _setting(
        0,
        "Memory for the data of the bundled Valkey; 0: half of what the machine or the container has. When it is full, "
        "writes are refused, and reading and deleting go on.",
        least=0,
    )
    bootstrap_api_key: str = _setting(
        "",
        "Create a project with this key at start, if there is none; one that is there is not changed.",
        read=_without(api_key_fault),
    )
    bootstrap_api_secret: str = _setting(
        "", "The API secret that this project is created with.", secret=True, read=_without(api_secret_fault)
    )
    bootstrap_hmac_enabled: bool = _setting(True, "Whether this project is created so that it requires user HMACs.")
    allowed_origins: tuple[str, ...] = _setting(
        ("*",),
        "Comma-separated origins of pages that may call, such as `https://app.example.com` or "
        "`https://*.example.com`; `*` is any. A project may have its own.",
        read=_origins,
    )
    public_url: str = _setting(
        "",
        "Address that clients reach the gateway by, with the path under which a proxy serves it, such as "
        "`https://example.com/inbox`. Unset: taken from each request.",
        read=read_public_url,
    )
    trusted_proxies: tuple[str, ...] = _setting(
        ("127.0.0.0/8", "::1/128"),
        "Comma-separated addresses and networks of reverse proxies, whose `X-Forwarded-For`, `-Proto`, `-Host` and "
        "`-Prefix` and `X-Request-Id` count; `none` is no proxy at all.",
        read=_networks,
    )
    log_retention_events: int = _setting(
        1000,
        "Events kept per user for resuming; fewer of those that are larger than 16 KB, so that they take 16 MB.",
        least=1,
    )
    log_retention_seconds: int = _setting(7 * 24 * 3600, "How long events are kept for resuming.", least=1)
    item_retention_count: int = _setting(
        0,
        "Notifications kept per user; of more, the oldest are removed. 0 keeps all. A project may have its own.",
        least=0,
        most=MOST_ITEMS,
    )
    item_retention_seconds: int = _setting(
        0,
        "How long notifications are kept; 0 is for ever. A project may have its own.",
        least=0,
        most=MOST_SECONDS,
    )
    max_connections_per_user: int = _setting(
        50,
        "Live connections of one user on one worker; a person has a few devices with some tabs each.",
        least=1,
    )
    max_body_bytes: int = _setting(
        8 * 1024 * 1024, "Largest request body; 4 MB of content grow when JSON escapes them.", least=1024
    )
    max_message_bytes: int = _setting(
        8 * 1024, "Largest message from a WebSocket client; a token is the longest it sends.", least=256
    )
    max_messages_per_minute: int = _setting(
        120, "Frames and messages from one WebSocket client; a heartbeat needs three.", least=1
    )
    max_write_buffer_bytes: int = _setting(
        256 * 1024,
        "Bytes that may wait for a slow reader; the rest it gets from the log, as it takes them.",
        least=1024,
    )
    authentication_seconds: float = _setting(
        10.0, "How long a client may take to send a request's head, and a live connection to say who it is.", least=0.1
    )
    body_seconds: float = _setting(30.0, "How long a client may take to send a request's body.", least=0.1)
    heartbeat_seconds: float = _setting(
        25.0, "Between heartbeats; under the 30-60 s after which proxies drop idle connections.", least=0.1
    )
    drain_seconds: float = _setting(10.0, "How long connections are spread over at shutdown.", least=0)
    access_log: bool = _setting(True, "A log line per request.")
    log_level: str = _setting(
        "info", "Least severe level that is logged.", choices=("debug", "info", "warning", "error")
    )
    rate_limit_reads: int = _setting(100, "Reads a minute per user; 0 is off.", least=0)
    rate_limit_writes: int = _setting(60, "Writes a minute per user; 0 is off.", least=0)
    rate_limit_admin_reads: int = _setting(
        0, "Reads a minute with a project's API secret; 0 is off, because a backend limits itself.", least=0
    )
    rate_limit_admin_writes: int = _setting(0, "Writes a minute with a project's API secret; 0 is off.", least=0)
    new_users_per_hour: int = _setting(
        10_000,
        "New users an hour, or as many at once, that a project with HMAC off accepts without proof; 0 is no limit. "
        "Users whom the API secret, an HMAC or a token names do not count.",
        least=0,
    )
    new_users_per_hour_per_address: int = _setting(
        1000, "The same for one client address, or one IPv6 network of 64 bits.", least=0
    )

    @property
    def new_user_limits(self) -> NewUserLimits:
        """How many users may be created for whom nobody vouches."""
        return NewUserLimits(self.new_users_per_hour, self.new_users_per_hour_per_address)

    @property
    def embedded(self) -> bool:
        """Whether the bundled Valkey is used."""
        return not self.redis_url

    @property
    def item_retention(self) -> ItemRetention:
        """How much of an inbox is kept where its project says nothing."""
        return ItemRetention(self.item_retention_count, self.item_retention_seconds)

    @property
    def valkey_socket(self) -> Path:
        """The bundled Valkey's Unix socket."""
        return self.data_dir / "valkey" / "valkey.sock"


def variable(name: str) -> str:
    """Give the environment variable of a field."""
    return PREFIX + name.upper()


def load_settings(environment: Mapping[str, str], **overrides: Any) -> Settings:
    """Read the settings; `overrides` that are not None win, as command-line options do.

    What Kubernetes sets for a Service whose name begins like a setting is passed over. Raises SettingsError, naming
    every variable that is unknown or wrong.
    """
    known = {variable(item.name): item for item in fields(Settings)}
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, text in environment.items():
        if not name.startswith(PREFIX) or is_service_link(name.removeprefix(PREFIX), text):
            continue
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            problems.append(f"{name} is not a setting" + (f"; did you mean {close[0]}?" if close else ""))
        elif text != "":
            try:
                values[known[name].name] = _parse(known[name], text)
            except ValueError as problem:
                problems.append(f"{name} {problem}")
                if known[name].type is str:
                    values[known[name].name] = text  # wrong, but set: that much counts below
    for name, value in overrides.items():
        if value is not None:
            try:
                values[name] = _parse(known[variable(name)], value) if isinstance(value, str) else value
            except ValueError as problem:
                problems.append(f"--{name} {problem}")
    problems += _contradictions(values)
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(**values)


def _contradictions(values: Mapping[str, Any]) -> Iterator[str]:
    """Return what is wrong with settings that do not go together."""
    api_key, api_secret = values.get("bootstrap_api_key"), values.get("bootstrap_api_secret")
    if bool(api_key) != bool(api_secret):
        yield "INBOX_BOOTSTRAP_API_KEY and INBOX_BOOTSTRAP_API_SECRET go together: set both or none"
    elif api_key and api_key == api_secret:
        yield "INBOX_BOOTSTRAP_API_SECRET must differ from INBOX_BOOTSTRAP_API_KEY, which is public"
    own, durability, memory_mb = values.get("redis_url"), values.get("durability"), values.get("valkey_memory_mb", 0)
    if own and durability in ("memory", "disk"):
        yield (
            f"INBOX_DURABILITY cannot be {durability} with INBOX_REDIS_URL: set appendfsync on your own "
            "server, or wait for its replica with `replica`"
        )
    if durability == "replica" and not own:
        yield "INBOX_DURABILITY cannot be replica with the bundled Valkey, which has none: set INBOX_REDIS_URL"
    if own and memory_mb:
        yield "INBOX_VALKEY_MEMORY_MB is of the bundled Valkey: with INBOX_REDIS_URL set maxmemory on your own server"
    if 0 < memory_mb < LEAST_VALKEY_MEMORY_MB:
        yield f"INBOX_VALKEY_MEMORY_MB must be 0 or at least {LEAST_VALKEY_MEMORY_MB}, not {memory_mb}"


def default_of(item: "Field[Any]") -> Any:
    """Give a field's default, "" for a secret or unset one."""
    return "" if item.default is MISSING else item.default


def _parse(item: "Field[Any]", text: str) -> Any:
    value: Any = text
    if item.type is bool:
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(f"must be true or false, not {text!r}")
        return text.lower() in ("true", "1", "yes")
    if item.type is int or item.type is float:
        if not re.fullmatch(r"-?\d+(\.\d+)?" if item.type is float else r"-?\d+", text):
            raise ValueError(f"must be a {'number' if item.type is float else 'whole number'}, not {text!r}")
        value = item.type(text)
        least = item.metadata["least"]
        if least is not None and value < least:
            raise ValueError(f"must be at least {least}, not {text}")
        most = item.metadata["most"]
        if most is not None and value > most:
            raise ValueError(f"must be at most {most}, not {text}")
    elif item.type is Path:
        value = Path(text)
    elif item.metadata["read"] is not None:
        value = item.metadata["read"](text)
    elif item.metadata["choices"] and text not in item.metadata["choices"]:
        raise ValueError(f"must be one of {', '.join(item.metadata['choices'])}, not {text!r}")
    return value
