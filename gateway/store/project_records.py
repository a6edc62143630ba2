"""The record of a project: its encoding in Redis, and the parts that are read alone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from gateway.domain.limits import ProjectLimits
from gateway.domain.principal import DEFAULT_WORKSPACE
from gateway.domain.retention import DEFAULT
from gateway.store import keys
from gateway.store.redis.problems import StoreDataError, StoreFormatError
from gateway.telemetry.logs import log

BOUNDS = ("item_retention_count", "item_retention_seconds", "event_retention_count", "event_retention_seconds")
"""The fields of a project that may follow the settings."""


class StoredSecret(msgspec.Struct, frozen=True):
    """An encrypted API secret, and the unix second from which it is no longer accepted, None if there is none."""

    encrypted: str
    until: int | None = None


class ProjectRecord(msgspec.Struct, frozen=True):
    """A project as stored, in JSON.

    `secrets` has the current secret, then the previous one if an overlap was requested. `keys` are the public keys as
    JWKs.
    """

    id: str
    name: str
    api_key: str
    hmac_enabled: bool
    secrets: list[StoredSecret]
    keys: list[dict[str, str]] = []
    workspace_id: str = DEFAULT_WORKSPACE
    allowed_origins: list[str] = []
    item_retention_count: int | None = None
    item_retention_seconds: int | None = None
    strict: bool = False
    format: str = ""
    max_users: int = 0
    max_storage_bytes: int = 0
    max_sends_per_minute: int = 0
    max_sends_per_month: int = 0
    event_retention_count: int | None = None
    event_retention_seconds: int | None = None

    @property
    def limits(self) -> ProjectLimits:
        """The limits of the project."""
        return ProjectLimits(
            self.max_users, self.max_storage_bytes, self.max_sends_per_minute, self.max_sends_per_month
        )


@dataclass(frozen=True, slots=True)
class ProjectChange:
    """The fields of a project to change; None leaves a field as it is."""

    name: str | None = None
    hmac_enabled: bool | None = None
    allowed_origins: Sequence[str] | None = None
    item_retention_count: int | str | None = None
    item_retention_seconds: int | str | None = None
    """A bound, or DEFAULT to follow the settings."""
    strict: bool | None = None
    max_users: int | None = None
    max_storage_bytes: int | None = None
    max_sends_per_minute: int | None = None
    max_sends_per_month: int | None = None
    event_retention_count: int | str | None = None
    event_retention_seconds: int | str | None = None
    """A bound, or DEFAULT to follow the settings."""

    def applied_to(self, record: ProjectRecord) -> ProjectRecord:
        """Return a record with the given fields changed."""
        given: dict[str, Any] = {name: value for name, value in asdict(self).items() if value is not None}
        if self.allowed_origins is not None:
            given["allowed_origins"] = list(self.allowed_origins)
        for name in BOUNDS:
            if given.get(name) == DEFAULT:
                given[name] = None
        return msgspec.structs.replace(record, **given)


class _Format(msgspec.Struct, frozen=True):
    """The field that is read before the format of a record is known."""

    format: Any = ""


class _Origins(msgspec.Struct, frozen=True):
    """The only field that is read for the origins of all projects."""

    allowed_origins: list[str] = []


def decode_record(name: str, raw: bytes) -> ProjectRecord:
    """Return a decoded record. `name` identifies the project in the log and in errors.

    Raises StoreFormatError for a record of another format, and StoreDataError if `raw` is not a record.
    """
    try:
        written_as = msgspec.json.decode(raw, type=_Format).format
        if written_as != keys.FORMAT:
            log.error("project_of_another_format", api_key=name, format=written_as)
            raise StoreFormatError(detail=f"project {name} is of format {written_as or 'unknown'}")
        record = msgspec.json.decode(raw, type=ProjectRecord)
        if not record.secrets or any("kid" not in jwk for jwk in record.keys):
            raise ValueError("a secret or the name of a key is missing")
        return record
    except (msgspec.DecodeError, ValueError) as problem:
        log.error("project_record_broken", api_key=name, problem=str(problem))
        raise StoreDataError("The record of this project cannot be read", f"project {name}: {problem}") from None


def peek_record(raw: bytes) -> ProjectRecord | None:
    """Return a decoded record, None if `raw` is not a record of this format. Nothing is logged."""
    try:
        record = msgspec.json.decode(raw, type=ProjectRecord)
    except msgspec.DecodeError:
        return None
    return record if record.format == keys.FORMAT else None


def origins_of(raw: bytes) -> list[str]:
    """Return the origins that a record allows. A record that cannot be read allows none, which affects no other."""
    try:
        return msgspec.json.decode(raw, type=_Origins).allowed_origins
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def text_of(raw: bytes) -> str:
    """Return a name that is stored in UTF-8, with invalid bytes replaced."""
    return raw.decode(errors="replace")
