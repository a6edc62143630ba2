"""`backup` and `restore`."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
import pytest
import redis
from click.testing import Result

from gateway.cli.backups import _check_header, complete_file, opened
from gateway.cli.errors import CommandError
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.backup_file import VERSION, BackupWriter, Group, Header
from tests.cli.conftest import Command, fields
from tests.servers import RedisServer

Printed = Callable[..., str]


def refusal(result: Result) -> str:
    """Return the sentence that `main` prints."""
    assert isinstance(result.exception, CommandError)
    return str(result.exception)


@pytest.fixture
def file(printed: Printed, run: Command, tmp_path: Path) -> Path:
    """A backup of a store with a project."""
    printed("project", "create", "Shop")
    path = tmp_path / "shop.backup"
    result = run("backup", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("backed up 7 keys of 0 users, 0.0 MB in ")
    return path


def test_a_restored_store_has_the_projects_of_the_backup(
    file: Path, run: Command, printed: Printed, store: redis.Redis
) -> None:
    before = printed("project", "list")
    assert file.stat().st_mode & 0o777 == 0o600
    store.flushall()
    result = run("restore", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "the store is as it was at " in result.stderr
    assert printed("project", "list") == before


def test_a_backup_is_described_without_a_store(
    file: Path, printed: Printed, run: Command, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("INBOX_REDIS_URL", "redis://127.0.0.1:1")
    result = run("restore", "--check", str(file))
    assert result.exit_code == 0
    described = fields(result.stdout)
    assert described["keys"] == "7"
    assert described["server"].startswith("Valkey 9")


def test_a_backup_does_not_replace_a_file_unless_it_is_told_to(file: Path, run: Command) -> None:
    assert refusal(run("backup", str(file))).endswith(f"{file} exists: --force replaces it")
    assert run("backup", "--force", str(file)).exit_code == 0
    assert list(file.parent.glob("*.partial")) == []


def test_a_store_with_data_is_replaced_only_with_an_option(file: Path, run: Command, printed: Printed) -> None:
    printed("project", "create", "Later")
    assert "the store is not empty: --replace deletes" in refusal(run("restore", str(file)))
    assert "Later" in printed("project", "list")
    assert run("restore", str(file), "--replace").exit_code == 0
    assert "Later" not in printed("project", "list")


def test_a_damaged_file_changes_nothing(file: Path, run: Command, printed: Printed) -> None:
    file.write_bytes(file.read_bytes()[:-3])
    before = printed("project", "list")
    text = refusal(run("restore", str(file), "--replace"))
    assert f"{file} cannot be restored: it is truncated" in text
    assert text.endswith("Nothing was changed")
    assert printed("project", "list") == before


def test_a_file_with_keys_of_others_changes_nothing(
    run: Command, printed: Printed, tmp_path: Path, store: redis.Redis
) -> None:
    printed("project", "create", "Shop")
    store.set("session:1", "of another program")
    value = store.dump("session:1")
    assert isinstance(value, bytes)
    path = tmp_path / "crafted"
    with path.open("wb") as output:
        writer = BackupWriter(output, Header(VERSION, "1", "2026", keys.FORMAT, "Valkey 9"))
        writer.add(Group([(b"session:1", -1, value)]))
        writer.finish()
    before = printed("project", "list")
    assert "a key that no backup has: 'session:1'" in refusal(run("restore", str(path), "--replace"))
    assert printed("project", "list") == before


def test_a_backup_follows_no_link_and_replaces_no_device(file: Path, run: Command, tmp_path: Path) -> None:
    victim, nightly = tmp_path / "victim", tmp_path / "nightly"
    victim.write_text("kept")
    (tmp_path / "nightly.partial").symlink_to(victim)
    assert run("backup", str(nightly)).exit_code == 0
    assert victim.read_text() == "kept"
    assert nightly.stat().st_mode & 0o777 == 0o600
    assert refusal(run("backup", "/dev/null", "--force")) == "/dev/null is not a file, and is not replaced"
    assert "cannot be written: No such file" in refusal(run("backup", str(tmp_path / "none" / "x")))
    assert refusal(run("restore", str(tmp_path))) == f"there is no file {tmp_path}"


def test_another_secret_key_is_noticed_before_anything_is_written(
    file: Path, run: Command, store: redis.Redis, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("INBOX_SECRET_KEY", "another secret key of 32 characters")
    store.flushall()
    assert "were encrypted with another INBOX_SECRET_KEY" in refusal(run("restore", str(file)))
    assert store.dbsize() == 0
    assert run("restore", str(file), "--lost-secret-key").exit_code == 0


def test_a_backup_of_a_newer_format_is_refused(run: Command, tmp_path: Path) -> None:
    path = tmp_path / "newer"
    with path.open("wb") as output:
        BackupWriter(output, Header(VERSION, "9.0", "2026", "2", "Valkey 9")).finish()
    text = refusal(run("restore", str(path)))
    assert "The store is of format 2, and this version of the gateway knows format 1" in text
    assert text.endswith("restore it with version 9.0")


def test_an_empty_store_is_not_backed_up(run: Command, tmp_path: Path) -> None:
    assert "the store is empty" in refusal(run("backup", str(tmp_path / "x")))
    assert list(tmp_path.glob("x*")) == []


def test_a_store_in_use_is_not_restored(file: Path, run: Command, store: redis.Redis) -> None:
    report = b'{"id":"n","kind":"worker","version":"1","host":"web-1","pid":5,"started_ms":1,"at_ms":1}'
    store.sadd(keys.NODES, "n")
    store.set(keys.node("n"), report)
    assert "worker 5 on web-1; stop them" in refusal(run("restore", str(file), "--replace"))


def test_a_store_that_cannot_be_reached_is_named(
    run: Command, tmp_path: Path, environment: pytest.MonkeyPatch, server: RedisServer
) -> None:
    environment.setenv("INBOX_REDIS_URL", "redis://127.0.0.1:1")
    assert "cannot be used" in refusal(run("backup", str(tmp_path / "x")))


def test_a_backup_goes_to_standard_output_and_comes_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    with complete_file("-", force=False) as output:
        output.write(b"whole")
        output.flush()
    assert capsysbinary.readouterr().out == b"whole"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(click.UsageError, match="is a terminal"), complete_file("-", force=False):
        pass
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"twice")))
    with opened("-") as source:
        assert source.read() == b"twice"
        source.seek(0)
        assert source.read() == b"twice"


def test_a_file_of_a_project_or_of_another_format_is_not_restored() -> None:
    header = Header(VERSION, "0.1.0", "2026-11-30T12:00:00Z", keys.FORMAT, "valkey 9.1", project="key", project_id="5")
    with pytest.raises(CommandError, match="`inbox-gateway project import` reads it"):
        _check_header(header, Settings(), lost_secret_key=False)
    with pytest.raises(CommandError, match=r"restore it with version 0\.1\.0"):
        _check_header(msgspec.structs.replace(header, project="", store_format="99"), Settings(), lost_secret_key=False)
