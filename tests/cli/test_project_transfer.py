"""What `project import` refuses before it reads the content of a file, and what a passphrase must be."""

from pathlib import Path

import click
import msgspec
import pytest

from gateway.cli.errors import BackupRefusedError
from gateway.cli.project_transfer import _check_header, _passphrase
from gateway.store import keys
from gateway.store.backup_file import Header

EXPORTED = Header(1, "0.1.0", "2026-11-30T12:00:00Z", keys.FORMAT, "valkey 9.1", project="key", project_id="5")


@pytest.mark.parametrize(
    ("changed", "passphrase", "message"),
    [
        ({"project": ""}, "", "a whole store, not one project"),
        ({"store_format": "99"}, "", "import it with version 0.1.0"),
        ({"project_id": "05"}, "", "its header is wrong"),
        ({"project_id": "5:users"}, "", "its header is wrong"),
        ({"salt": "abc"}, "", "its header is wrong"),
        ({}, "a long passphrase", "there is nothing to decrypt"),
    ],
)
def test_a_file_whose_header_does_not_fit_is_refused(changed: dict[str, str], passphrase: str, message: str) -> None:
    with pytest.raises(BackupRefusedError, match=message):
        _check_header(msgspec.structs.replace(EXPORTED, **changed), passphrase)


def test_the_header_of_an_exported_project_is_accepted() -> None:
    _check_header(EXPORTED, "")
    _check_header(msgspec.structs.replace(EXPORTED, salt="0" * 32), "a long passphrase")


def test_a_passphrase_is_the_first_line_of_a_file_and_long(tmp_path: Path) -> None:
    assert _passphrase(None) == ""
    file = tmp_path / "passphrase"
    with pytest.raises(click.UsageError, match="cannot be read"):
        _passphrase(file)
    file.write_text("short\n")
    with pytest.raises(click.UsageError, match="12 characters or more"):
        _passphrase(file)
    file.write_text("twelve or more\nnot this\n")
    assert _passphrase(file) == "twelve or more"
