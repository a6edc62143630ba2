"""What the file of an exported project may contain. A file may be crafted, so an import checks each record."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.domain.ids import ProjectId
from gateway.domain.limits import MAX_LIMIT
from gateway.store import keys
from gateway.store.backup_contents import check_record
from gateway.store.backup_file import BackupFileError, Document, Header, Part, Record
from gateway.store.project_records import ProjectRecord

_ID = r"[^{}:]+"
KEPT = re.compile(
    rf"\{{{_ID}\}}:(categories|delivery_configs|contents|devices|devices:kinds|milestones|mau:.+|token_owner:.+"
    rf"|tokens|token|revoked|users:subscribers:.+|users:gone)|\{{{_ID}:content:.+",
    re.DOTALL,
)
"""The keys besides those of users and of the directory that are exported. What is not listed is left out."""

LEFT_OF_USERS = tuple(
    keys.USER_SUFFIXES[name].encode()
    for name in ("LOG", "OUTBOX", "DELIVERIES", "UNLISTED", "OUTCOME", "RATE", "INSTALLATIONS")
)

_DIRECTORY = re.compile(rf"\{{{_ID}\}}:users({re.escape(keys.DIRECTORY_SUFFIXES['USER_INDEX'])}\d+)?")

PROJECT = "project"
CHECK = "passphrase"

_USER_ID = re.compile(r"[0-9a-f-]{36}")
MAX_TEXT = 1000
"""More than the names, the keys and the origins of projects have."""

Json = dict[str, Any]

Place = Callable[[ProjectId, str, str], str]

PLACES: dict[str, Place] = {
    "integrations": lambda project_id, user_id, field: f"{project_id} {field}",
    "installations": lambda project_id, user_id, field: f"{project_id} {user_id} {field}",
    "webhook_endpoints": lambda project_id, user_id, field: f"{project_id} webhook endpoint {field}",
}
"""The place to which secrets are bound, as in integrations.py, installations.py and webhook_endpoints.py."""


def check_project_record(record: Record, header: Header) -> None:
    """Raise BackupFileError for a record that no export of the project in `header` has."""
    check_record(record)
    if isinstance(record, Document):
        _check_document(record, header)
        return
    names = [record.key] if isinstance(record, Part) else [name for name, _, _ in record.keys]
    for name in (each.decode("latin-1") for each in names):
        if not _is_importable(name.removeprefix(keys.PREFIX), header.project_id):
            raise BackupFileError(f"it has a key that no export of a project has: {ascii(name)[:200]}")


def _is_importable(name: str, project_id: str) -> bool:
    tag, _, rest = name.removeprefix("{").partition("}")
    if tag == project_id:
        return bool(KEPT.fullmatch(name) or _DIRECTORY.fullmatch(name))
    project, _, user_id = tag.partition(":")
    if project != project_id:
        return False
    return KEPT.fullmatch(name) is not None or (
        _USER_ID.fullmatch(user_id) is not None and not rest.encode("latin-1").startswith(LEFT_OF_USERS)
    )


def _check_document(document: Document, header: Header) -> None:
    try:
        if document.name == CHECK:
            msgspec.json.decode(document.content, type=str)
        elif document.name == PROJECT:
            _check_project(msgspec.json.decode(document.content, type=ProjectRecord), header)
        elif document.name in PLACES and (not document.user_id or _USER_ID.fullmatch(document.user_id)):
            for record in msgspec.json.decode(document.content, type=dict[str, Json]).values():
                msgspec.convert(record.get("sealed", ""), str)
        else:
            raise ValueError
    except ValueError:  # msgspec's as well
        raise BackupFileError(f"it is damaged: its document {ascii(document.name)[:50]} is wrong") from None


def _check_project(record: ProjectRecord, header: Header) -> None:
    """Raise ValueError for a record that the API and the command line would not have written."""
    texts = (record.name, record.api_key, *record.allowed_origins)
    if record.api_key != header.project or record.format != keys.FORMAT or not record.api_key:
        raise ValueError
    if not all(text.isprintable() and len(text) <= MAX_TEXT for text in texts):
        raise ValueError
    if not all(0 <= each <= MAX_LIMIT for each in record.limits) or any("kid" not in jwk for jwk in record.keys):
        raise ValueError
