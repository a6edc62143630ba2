"""The settings of a command, and the secret key that is generated if none is set."""

import os
import re
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.cli.notices import notice
from gateway.server.data_directory import create_directory, create_private, read_private, refuse_foreign
from gateway.server.errors import DataDirectoryError
from gateway.settings import Settings, load_settings

MIN_KEY_LENGTH = 32
"""The least length of a key in `secret.key`. The gateway writes 43 characters; a power loss may leave fewer."""


def read_settings(**overrides: Any) -> Settings:
    """Return the settings of the environment. `overrides` that are not None replace them. Raises SettingsError."""
    return load_settings(os.environ, **overrides)


def secret_key_path(settings: Settings) -> Path:
    """Return the path of the generated secret key."""
    return settings.data_dir / "secret.key"


def with_secret_key(settings: Settings) -> Settings:
    """Return the settings with a secret key: the setting's, or that of the data directory, created at the first start.

    Raises DataDirectoryError.
    """
    if settings.secret_key:
        return settings
    path = secret_key_path(settings)
    create_directory(path.parent)
    refuse_foreign(path)  # where the kernel protects links, reading a foreign one says only "Permission denied"
    if not path.exists():
        if not settings.embedded:
            notice(f"INBOX_SECRET_KEY is not set: using {path}. Nodes that share a Redis need the same key.")
        create_private(path, secrets.token_urlsafe(32))
    key = read_private(path).strip()
    if not re.fullmatch(f"[!-~]{{{MIN_KEY_LENGTH},}}", key):
        raise DataDirectoryError(
            f"{path} is empty or damaged: it must hold one line of at least {MIN_KEY_LENGTH} printable characters. "
            "Restore it from a backup, or set INBOX_SECRET_KEY: with another key, the stored API secrets cannot be read"
        )
    return replace(settings, secret_key=key)


def with_known_secret_key(settings: Settings) -> Settings:
    """Return the settings with the secret key that a start would use, without writing a new one to disk."""
    if settings.secret_key or os.path.lexists(secret_key_path(settings)):
        return with_secret_key(settings)
    return replace(settings, secret_key=secrets.token_urlsafe(32))
