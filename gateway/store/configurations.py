"""The configuration of an integration as it is stored: its secrets are encrypted, the rest is JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.channels.secret_param import REDACTED, with_secrets, without_secrets
from gateway.store.redis.problems import decoding
from gateway.store.sealing import Sealer
from gateway.telemetry.logs import log


class _Record(msgspec.Struct, omit_defaults=True):
    """A configuration in Redis.

    `config` has no secrets. `names` are the paths of the secrets, and `sealed` their values, encrypted together.
    """

    id: str
    config: dict[str, Any]
    names: list[str] = []
    sealed: str = ""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A saved configuration."""

    id: str
    plain: Mapping[str, Any] = field(repr=False)
    """Without secrets."""
    secrets: Mapping[str, str] = field(repr=False)
    """By path; without those that another secret key encrypted."""
    names: tuple[str, ...]
    """The paths of all secrets."""
    raw: bytes = field(repr=False)
    """As stored."""

    @property
    def values(self) -> dict[str, Any]:
        """Return the configuration with its secrets."""
        return with_secrets(self.plain, self.secrets)

    @property
    def shown(self) -> dict[str, Any]:
        """Return the configuration with its secrets redacted."""
        return with_secrets(self.plain, dict.fromkeys(self.names, REDACTED))


class ConfigurationCodec:
    """Encodes and decodes configurations. `place` names where one is stored, and is bound to its secrets."""

    def __init__(self, secret_key: str):
        self._sealer = Sealer(secret_key)

    def encode(self, config_id: str, values: Mapping[str, Any], secret_paths: tuple[str, ...], place: str) -> bytes:
        """Return a configuration as it is stored."""
        plain, secrets = without_secrets(values, secret_paths)
        sealed = self._sealer.seal(msgspec.json.encode(secrets), place) if secrets else ""
        return msgspec.json.encode(_Record(config_id, plain, list(secrets), sealed))

    def decode(self, raw: bytes, place: str) -> Configuration:
        """Return a stored configuration. Secrets that cannot be decrypted are left out and logged.

        Raises StoreDataError.
        """
        with decoding(f"the configuration {place}"):
            record = msgspec.json.decode(raw, type=_Record)
            opened = self._sealer.open(record.sealed, place) if record.sealed else b"{}"
            secrets = msgspec.json.decode(opened or b"{}", type=dict[str, str])
        if opened is None:
            log.error(
                "configuration_cannot_be_decrypted",
                place=place,
                suggestion="start every node with the INBOX_SECRET_KEY with which it was saved",
            )
        return Configuration(record.id, record.config, secrets, tuple(record.names), raw)
