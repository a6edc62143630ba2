"""The settings, read once from environment variables `INBOX_*`. A misspelt name is an error.

A secret may be in a file instead: `INBOX_SECRET_KEY_FILE` is the path of one whose first line is `INBOX_SECRET_KEY`.
"""

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gateway.domain.address import HOST_PATTERN, PORT_PATTERN, read_network
from gateway.domain.contact import contact_fault
from gateway.domain.credential_rules import api_key_fault, api_secret_fault, secret_key_fault
from gateway.domain.new_user_limits import NewUserLimits
from gateway.domain.origin import read_origin
from gateway.domain.outbound import OutboundRules
from gateway.domain.proxy import read_public_url
from gateway.domain.redis_address import SCHEMES, redis_address_fault
from gateway.domain.retention import MAX_ITEMS, MAX_SECONDS, ItemRetention
from gateway.domain.service_links import is_service_link
from gateway.domain.sso_roles import read_sso_roles

PREFIX = "INBOX_"

NO_SETTINGS = frozenset(("INBOX_ADMIN_TOKEN",))
"""Variables with this prefix that are for scripts, which the dashboard's curl commands are."""

SSO_PACKAGES = ("authlib", "joserfc")
"""The packages of the extra `sso`."""

TRACE_PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
"""The packages of the extra `otel`."""

TRACE_PROTOCOL = "http/protobuf"

REDIS_SCHEMES = tuple(f"{scheme}://" for scheme in SCHEMES)

MIN_VALKEY_MEMORY_MB = 16
"""An empty Valkey with the function library and some connections uses 5 MB."""


class SettingsError(Exception):
    """The environment has invalid settings. The message names each of them, one per line."""


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _origins(text: str) -> tuple[str, ...]:
    origins = {entry: read_origin(entry) for entry in _entries(text)}
    if not origins:
        raise ValueError("names no origin; `*` allows all")
    if wrong := [entry for entry, origin in origins.items() if origin is None]:
        named = ", ".join(map(repr, wrong))
        raise ValueError(f"must have origins such as https://app.example.com or https://*.example.com, not {named}")
    return tuple(dict.fromkeys(origin for origin in origins.values() if origin is not None))


def _networks(text: str) -> tuple[str, ...]:
    if text.strip() == "none":
        return ()
    return tuple(dict.fromkeys(str(read_network(entry)) for entry in _entries(text)))


_PROVIDER_URL = re.compile(rf"(?P<name>[a-z_]+)=(?P<url>https?://{HOST_PATTERN}(:{PORT_PATTERN})?(/[!-~]*)?)")


def _provider_urls(text: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for entry in _entries(text):
        match = _PROVIDER_URL.fullmatch(entry)
        if match is None:
            raise ValueError("must have entries such as expo=http://127.0.0.1:9001, separated by commas")
        if match["name"] in found:
            raise ValueError(f"names {match['name']} twice")
        found[match["name"]] = match["url"].rstrip("/")
    return tuple(found.items())


def _certificates(text: str) -> str:
    if text:
        import ssl  # takes 2 MB in the supervisor, which has no use for it otherwise

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(text)
        except OSError:  # SSLError is one
            raise ValueError(f"must be a file with certificates in PEM format, not {text!r}") from None
    return text


def _host(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]  # as in a URL
    if "/" in text or text.count(":") == 1 or text != text.strip():
        raise ValueError(f"must be an address or a name alone, such as 127.0.0.1, not {text!r}; INBOX_PORT is the port")
    return text


def _issuer_fault(text: str) -> str:
    if re.fullmatch(rf"https://{HOST_PATTERN}(:{PORT_PATTERN})?(/[!-~]*)?", text) and not set("?#") & set(text):
        return ""
    if re.fullmatch(rf"http://(localhost|127\.0\.0\.1|\[::1\])(:{PORT_PATTERN})?(/[!-~]*)?", text):
        return ""  # a provider on this machine
    return "must be an https address without a query, such as https://login.example.com/realms/main"


def _secret_file(text: str) -> str:
    try:
        has_secret = bool(first_line(text))
    except (OSError, UnicodeDecodeError):
        has_secret = False
    if not has_secret:
        # A text that names nothing may be the secret itself, which must not get into a log.
        shown = repr(text) if text.startswith("/") or os.path.exists(text) else "a relative path that does not exist"
        raise ValueError(f"must be a file whose first line is the secret, not {shown}")
    return text


MAX_SECRET_LENGTH = 64 * 1024
"""More is not read of a file with a secret: a large one may be there by mistake."""


def first_line(path: str) -> str:
    """Return the secret in a file. Raises OSError and UnicodeDecodeError."""
    with open(path) as file:
        return file.readline(MAX_SECRET_LENGTH).strip()


def _scopes(text: str) -> str:
    if "openid" not in text.split():
        raise ValueError(f"must have the scope openid, not {text!r}")
    return " ".join(text.split())


def _role_mapping(text: str) -> str:
    read_sso_roles(text)
    return text


def _without(fault_of: Callable[[str], str]) -> Callable[[str], str]:
    """Return a reader that accepts text for which `fault_of` returns "". The error does not contain the text."""

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
    """All settings, validated. The field `x_y` is the variable `INBOX_X_Y`."""

    host: str = _setting(
        "127.0.0.1",
        "Address to listen on. `0.0.0.0` is all IPv4 addresses, `::` all IPv6 addresses as well.",
        read=_host,
    )
    port: int = _setting(8000, "Port to listen on.", least=0, most=65535)
    workers: int = _setting(1, "Worker processes, which all serve on this port.", least=1)
    delivery_workers: int = _setting(
        1,
        "Processes that deliver to phones, browsers, chats, mail and webhooks, beside the workers. 0 leaves that to "
        "`inbox-gateway deliver` on other machines.",
        least=0,
    )
    redis_url: str = _setting(
        "",
        "Redis 7 or Valkey 8 server, or newer, to use instead of the bundled Valkey. "
        "`redis+cluster://host:port,host:port` connects to a cluster, and "
        "`redis+sentinel://host:port,host:port/service` to the primary that Sentinel reports. `rediss` uses TLS.",
        secret=True,
        read=_without(redis_address_fault),
    )
    redis_timeout_seconds: float = _setting(2.0, "Time limit of a call to Redis, in seconds.", least=0.05)
    data_dir: Path = _setting(Path("data"), "Directory of the bundled Valkey's data and of generated keys.")
    durability: str = _setting(
        "memory",
        "Which failures an acknowledged write survives. With the bundled Valkey, `memory`: a crash of the gateway; a "
        "crash of Valkey or of the machine may lose the last two seconds. `disk`: any crash, with an fsync before each "
        "response. With INBOX_REDIS_URL, `replica`: the loss of the primary, by waiting for a replica; otherwise the "
        "server's configuration decides.",
        choices=("memory", "disk", "replica"),
    )
    secret_key: str = _setting(
        "",
        "Key that encrypts stored API secrets and signs workspace tokens. It must be the same on every node. If unset, "
        "one is generated in the data directory.",
        secret=True,
        read=_without(secret_key_fault),
    )
    valkey_memory_mb: int = _setting(
        0,
        "Memory for the data of the bundled Valkey, in MB; 0 is half of the memory of the machine or container. When "
        "it is full, writes are refused, while reads and deletions still work.",
        least=0,
    )
    bootstrap_api_key: str = _setting(
        "",
        "API key of a project that is created at start. An existing project with this key is not changed.",
        read=_without(api_key_fault),
    )
    bootstrap_api_secret: str = _setting(
        "", "API secret with which this project is created.", secret=True, read=_without(api_secret_fault)
    )
    bootstrap_hmac_enabled: bool = _setting(True, "Whether this project is created with required user HMACs.")
    allowed_origins: tuple[str, ...] = _setting(
        ("*",),
        "Comma-separated origins of pages that may call, such as `https://app.example.com` or "
        "`https://*.example.com`; `*` allows all. A project can override it.",
        read=_origins,
    )
    demo: str = _setting(
        "auto",
        "Whether `/demo` is served, where any visitor can try the bell with users of the demo project. `auto`: only "
        "with the bundled Valkey, while there is no project but the demo's. `on`: always. The demo project is then "
        "created in any store. `off`: never.",
        choices=("auto", "on", "off"),
    )
    admin: str = _setting(
        "on",
        "Whether the dashboard is served at `/admin`, for people with an account: `inbox-gateway admin create`.",
        choices=("on", "off"),
    )
    admin_host: str = _setting(
        "", "Address on which the dashboard is served if INBOX_ADMIN_PORT is set; by default INBOX_HOST.", read=_host
    )
    admin_port: int = _setting(
        0,
        "Port on which the dashboard is served. Other ports then respond to `/admin` with 404. 0 is INBOX_PORT.",
        least=0,
        most=65535,
    )
    metrics_host: str = _setting(
        "", "Address on which `/metrics` is served if INBOX_METRICS_PORT is set; by default INBOX_HOST.", read=_host
    )
    metrics_port: int = _setting(
        0,
        "Port on which `/metrics`, `/healthz` and `/readyz` are served, and nothing else. INBOX_PORT then responds to "
        "`/metrics` with 404. `inbox-gateway deliver` serves them only if it is set. 0 is INBOX_PORT.",
        least=0,
        most=65535,
    )
    admin_email: str = _setting(
        "",
        "Email of an owner of the dashboard who is created at start. An existing admin is not changed.",
    )
    admin_password_file: str = _setting("", "File whose first line is the password with which this owner is created.")
    oidc_issuer: str = _setting(
        "",
        "Issuer of the OpenID Connect provider by which people sign in to the dashboard, such as "
        "`https://login.example.com/realms/main`. It needs the extra `sso`.",
        read=_without(_issuer_fault),
    )
    oidc_client_id: str = _setting("", "Id of the gateway at this provider.")
    oidc_client_secret_file: str = _setting(
        "", "File whose first line is the secret of the gateway at this provider.", read=_secret_file
    )
    oidc_name: str = _setting("", "Name of this provider on the login page; by default `single sign-on`.")
    oidc_scopes: str = _setting("openid email profile", "Scopes that the gateway asks this provider for.", read=_scopes)
    oidc_roles: str = _setting(
        "",
        "Claim and values that grant roles, such as `groups:inbox-admins=admin,shop=editor@2`, where 2 is a workspace. "
        "If unset, only people who were invited can sign in by this provider.",
        read=_role_mapping,
    )
    audit_entries: int = _setting(
        100_000,
        "Entries kept in the audit log of the dashboard, in all and of each project. 0 keeps all.",
        least=0,
        most=MAX_ITEMS,
    )
    audit_seconds: int = _setting(
        365 * 24 * 3600, "Seconds for which entries are kept in the audit log. 0 is any age.", least=0, most=MAX_SECONDS
    )
    public_url: str = _setting(
        "",
        "URL at which clients reach the gateway, with the path under which a proxy serves it, such as "
        "`https://example.com/inbox`. If unset, it is derived from each request.",
        read=read_public_url,
    )
    push_contact: str = _setting(
        "",
        "Where push services of browsers reach you, such as `mailto:ops@example.com` or `https://example.com`. Apple "
        "demands one with a public host. If unset, INBOX_PUBLIC_URL.",
        read=_without(contact_fault),
    )
    trusted_proxies: tuple[str, ...] = _setting(
        ("127.0.0.0/8", "::1/128"),
        "Comma-separated addresses and networks of reverse proxies whose headers `X-Forwarded-For`, `-Proto`, `-Host`, "
        "`-Prefix` and `X-Request-Id` are used; `none` trusts no proxy.",
        read=_networks,
    )
    log_retention_events: int = _setting(
        1000,
        "Events kept per user for resuming; fewer if they are larger than 16 KB, so that they use at most 16 MB.",
        least=1,
    )
    log_retention_seconds: int = _setting(7 * 24 * 3600, "Seconds for which events are kept for resuming.", least=1)
    project_events: int = _setting(
        10_000,
        "Events kept of each type in a project's log (`GET /v2/events`). 0 turns the log off.",
        least=0,
        most=MAX_ITEMS,
    )
    project_events_seconds: int = _setting(
        30 * 24 * 3600, "Seconds for which events are kept in a project's log. 0 is any age.", least=0, most=MAX_SECONDS
    )
    item_retention_count: int = _setting(
        0,
        "Notifications kept per user; beyond that the oldest are removed. 0 keeps all. A project can override it.",
        least=0,
        most=MAX_ITEMS,
    )
    item_retention_seconds: int = _setting(
        0,
        "Seconds for which notifications are kept; 0 is unlimited. A project can override it.",
        least=0,
        most=MAX_SECONDS,
    )
    max_connections_per_user: int = _setting(
        50,
        "Maximum number of live connections of a user on a worker. A person has a few devices with some tabs each.",
        least=1,
    )
    max_body_bytes: int = _setting(
        12 * 1024 * 1024,
        "Largest request body, in bytes. Content may have 4 MB in v1 and 10 MB in v2, more in JSON that escapes it.",
        least=1024,
    )
    max_message_bytes: int = _setting(
        8 * 1024,
        "Largest message from a WebSocket client, in bytes. The longest message that clients send contains a token.",
        least=256,
    )
    max_messages_per_minute: int = _setting(
        120,
        "Maximum number of frames and messages per minute from a WebSocket client, without its pongs to heartbeats.",
        least=1,
    )
    max_write_buffer_bytes: int = _setting(
        256 * 1024,
        "Maximum number of bytes buffered for a slow reader. It receives the rest from the log as it reads.",
        least=1024,
    )
    authentication_seconds: float = _setting(
        10.0,
        "Seconds within which a client must send a request's headers, and a live connection its credentials.",
        least=0.1,
    )
    body_seconds: float = _setting(30.0, "Seconds within which a client must send a request's body.", least=0.1)
    heartbeat_seconds: float = _setting(
        25.0, "Seconds between heartbeats. Many proxies drop connections that are idle for 30 to 60 seconds.", least=0.1
    )
    drain_seconds: float = _setting(
        10.0, "Seconds over which the closing of connections is spread at shutdown.", least=0
    )
    access_log: bool = _setting(True, "Whether each request is logged.")
    log_level: str = _setting("info", "Lowest severity that is logged.", choices=("debug", "info", "warning", "error"))
    traces: str = _setting(
        "off",
        "Whether traces are exported to a collector by OTLP over HTTP. It needs the extra `otel`, and the standard "
        "variables, such as OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_TRACES_SAMPLER, say where to and how many.",
        choices=("on", "off"),
    )
    rate_limit_reads: int = _setting(100, "Reads per minute and user; 0 is unlimited.", least=0)
    rate_limit_writes: int = _setting(60, "Writes per minute and user; 0 is unlimited.", least=0)
    rate_limit_admin_reads: int = _setting(
        0,
        "Reads per minute with a project's API secret; 0 is unlimited, because a backend is trusted to limit itself.",
        least=0,
    )
    rate_limit_admin_writes: int = _setting(
        0, "Writes per minute with a project's API secret; 0 is unlimited.", least=0
    )
    new_users_per_hour: int = _setting(
        10_000,
        "New users per hour, or in one burst, that a project with HMAC disabled accepts without proof; 0 is unlimited. "
        "Users that are named with the API secret, an HMAC or a token are not counted.",
        least=0,
    )
    new_users_per_hour_per_address: int = _setting(
        1000, "The same limit per client address, or per IPv6 network of 64 bits.", least=0
    )
    outbound_allowed_networks: tuple[str, ...] = _setting(
        (),
        "Comma-separated addresses and networks of your own that the addresses which projects save may be in, such as "
        "those of webhooks and mail servers. Requests to them need no TLS. All other private addresses are refused, so "
        "that no project can make the gateway call your own services.",
        read=_networks,
    )
    provider_urls: tuple[tuple[str, str], ...] = _setting(
        (),
        "Other base addresses of providers, such as that of a proxy: "
        "`expo=http://127.0.0.1:9001,apns=https://push.example.com`.",
        read=_provider_urls,
    )
    provider_ca_file: str = _setting(
        "",
        "File with certificates in PEM format that are trusted besides those of the system when providers are called.",
        read=_certificates,
    )
    delivery_repeats_unknown: bool = _setting(
        False,
        "Whether text messages and messages to chats are sent again, too, if nobody knows whether the first attempt "
        "succeeded. The recipient may then get them twice. Pushes, mails and webhooks always are.",
    )

    @property
    def new_user_limits(self) -> NewUserLimits:
        """Return the limits on new users whose names are not proven."""
        return NewUserLimits(self.new_users_per_hour, self.new_users_per_hour_per_address)

    @property
    def outbound_rules(self) -> OutboundRules:
        """Return the rules for the addresses that projects save."""
        return OutboundRules(tuple(map(read_network, self.outbound_allowed_networks)))

    @property
    def embedded(self) -> bool:
        """Return whether the bundled Valkey is used."""
        return not self.redis_url

    @property
    def item_retention(self) -> ItemRetention:
        """Return how much of an inbox is kept unless its project overrides it."""
        return ItemRetention(self.item_retention_count, self.item_retention_seconds)

    @property
    def valkey_socket(self) -> Path:
        """Return the path of the bundled Valkey's Unix socket."""
        return self.data_dir / "valkey" / "valkey.sock"


def variable(name: str) -> str:
    """Return the name of the environment variable of a field."""
    return PREFIX + name.upper()


def secret_file(name: str) -> str:
    """Return the name of the environment variable with the path of a file whose first line is a secret setting."""
    return f"{variable(name)}_FILE"


def load_settings(environment: Mapping[str, str], **overrides: Any) -> Settings:
    """Return the settings. `overrides` that are not None take precedence, as command-line options do.

    Service links of Kubernetes and Docker are ignored. Raises SettingsError, which names every variable that is unknown
    or invalid.
    """
    known = {variable(item.name): item for item in fields(Settings)}
    problems: list[str] = []
    values: dict[str, Any] = {}
    environment = _with_secret_files(environment, problems)
    for name, text in environment.items():
        if not name.startswith(PREFIX) or name in NO_SETTINGS or is_service_link(name.removeprefix(PREFIX), text):
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
                    values[known[name].name] = text  # invalid, but set, which `_contradictions` takes into account
    for name, value in overrides.items():
        if value is not None:
            try:
                values[name] = _parse(known[variable(name)], value) if isinstance(value, str) else value
            except ValueError as problem:
                problems.append(f"--{name} {problem}")
    problems += _contradictions(values)
    problems += _trace_problems(values, environment)
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(**values)


def _with_secret_files(environment: Mapping[str, str], problems: list[str]) -> Mapping[str, str]:
    """Return the environment with the secrets from the files that it names. Append a message for each wrong one."""
    read = dict(environment)
    for item in fields(Settings):
        name, file = variable(item.name), secret_file(item.name)
        path = read.pop(file, "") if item.metadata["secret"] else ""
        if not path:
            continue
        if read.get(name):
            problems.append(f"{file} and {name} are both set: set one of them")
            continue
        try:
            read[name] = first_line(_secret_file(path))
        except ValueError as problem:
            problems.append(f"{file} {problem}")
    return read


def _contradictions(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message for each combination of settings that is not valid."""
    api_key, api_secret = values.get("bootstrap_api_key"), values.get("bootstrap_api_secret")
    if bool(api_key) != bool(api_secret):
        yield "INBOX_BOOTSTRAP_API_KEY and INBOX_BOOTSTRAP_API_SECRET belong together: set both or neither"
    elif api_key and api_key == api_secret:
        yield "INBOX_BOOTSTRAP_API_SECRET must differ from INBOX_BOOTSTRAP_API_KEY, which is public"
    if bool(values.get("admin_email")) != bool(values.get("admin_password_file")):
        yield "INBOX_ADMIN_EMAIL and INBOX_ADMIN_PASSWORD_FILE belong together: set both or neither"
    if values.get("admin_host") and not values.get("admin_port"):
        yield "INBOX_ADMIN_HOST needs INBOX_ADMIN_PORT: the dashboard is otherwise served on INBOX_HOST and INBOX_PORT"
    if values.get("metrics_host") and not values.get("metrics_port"):
        yield "INBOX_METRICS_HOST needs INBOX_METRICS_PORT: metrics are otherwise served on INBOX_HOST and INBOX_PORT"
    yield from _sso_contradictions(values)
    own, durability, memory_mb = values.get("redis_url"), values.get("durability"), values.get("valkey_memory_mb", 0)
    if own and durability in ("memory", "disk"):
        yield (
            f"INBOX_DURABILITY cannot be {durability} with INBOX_REDIS_URL: set appendfsync on that "
            "server, or use `replica` to wait for a replica"
        )
    if durability == "replica" and not own:
        yield "INBOX_DURABILITY cannot be replica with the bundled Valkey, which has no replica: set INBOX_REDIS_URL"
    if own and memory_mb:
        yield "INBOX_VALKEY_MEMORY_MB is for the bundled Valkey: with INBOX_REDIS_URL, set maxmemory on that server"
    if 0 < memory_mb < MIN_VALKEY_MEMORY_MB:
        yield f"INBOX_VALKEY_MEMORY_MB must be 0 or at least {MIN_VALKEY_MEMORY_MB}, not {memory_mb}"


def _sso_contradictions(values: Mapping[str, Any]) -> Iterator[str]:
    needed = ("oidc_issuer", "oidc_client_id", "oidc_client_secret_file")
    given = [name for name in (*needed, "oidc_name", "oidc_roles") if values.get(name)]
    missing = [variable(name) for name in needed if not values.get(name)]
    if given and missing:
        yield f"{variable(given[0])} needs {' and '.join(missing)} too: single sign-on has all three, or none"
    if given and any(find_spec(name) is None for name in SSO_PACKAGES):
        yield f"{variable(given[0])} needs packages that are not installed: pip install 'inbox-gateway[sso]'"


def _trace_problems(values: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[str]:
    if values.get("traces") != "on":
        return
    if not all(map(_is_installed, TRACE_PACKAGES)):
        yield "INBOX_TRACES needs packages that are not installed: pip install 'inbox-gateway[otel]'"
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if (protocol := environment.get(name, "").strip()) not in ("", TRACE_PROTOCOL):
            yield f"{name} must be {TRACE_PROTOCOL}, which is the only protocol of INBOX_TRACES, not {protocol!r}"


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # the package above it is missing
        return False


def default_of(item: "Field[Any]") -> Any:
    """Return the default of a setting, "" if there is none."""
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
