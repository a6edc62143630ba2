"""`backup` and `restore`: a copy of the whole store in one file."""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from gateway import __version__
from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.errors import BackupRefusedError
from gateway.cli.store_access import started_store
from gateway.cli.store_errors import store_error
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.store.backup_file import BackupReader, Header
    from gateway.store.redis.client import FunctionClient

TIMEOUT_SECONDS = 60.0
"""How long one step of a backup may take: the copy of a user with a gigabyte of notifications."""

PROGRESS_SECONDS = 0.5


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def backup(file: str, force: bool) -> None:
    """Write a backup of the store to FILE or standard output.

    The gateway may be running. All that a user has is as of one moment. API secrets and the secrets of integrations
    stay encrypted with INBOX_SECRET_KEY, so keep this key as well, in another place. `restore --check` verifies a
    backup.

    The exit code is 0 if the backup is complete. Otherwise it is 1, and FILE is not written.
    """
    with complete_file(file, force) as output:
        _back_up(output)


@contextlib.contextmanager
def complete_file(file: str, force: bool) -> Iterator[BinaryIO]:
    """Open a file, or standard output for `-`. The file gets its name when the block has ended without an exception.

    Only its owner can read it, because a backup has everything that users were sent.
    """
    if file == "-":
        if sys.stdout.isatty():
            raise click.UsageError("standard output is a terminal: name a file, or send the output to a program")
        yield sys.stdout.buffer
        return
    path = Path(file)
    if path.exists() and not path.is_file():
        raise BackupRefusedError(f"{path} is not a file, and is not replaced")
    if path.exists() and not force:
        raise BackupRefusedError(f"{path} exists: --force replaces it")
    try:
        # A new file under a name that nobody can prepare a link at, and that no other backup writes to.
        number, name = tempfile.mkstemp(".partial", f"{path.name}.", path.parent)
    except OSError as problem:
        raise BackupRefusedError(f"{path} cannot be written: {problem.strerror}") from None
    partial = Path(name)
    try:
        with open(number, "wb") as output:
            yield output
            output.flush()
            os.fsync(output.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _back_up(output: BinaryIO) -> None:
    from datetime import UTC, datetime

    from gateway.store import keys
    from gateway.store.backup import StoreBackup, server_version
    from gateway.store.backup_file import VERSION, BackupWriter, Header
    from gateway.store.formats import check_format

    settings = read_settings()
    progress = Progress("backed up")

    async def work(client: "FunctionClient") -> None:
        await client.load()
        await check_format(client)
        key_id, found = await client.commands(("GET", keys.SECRET_KEY_ID), ("GET", keys.STORE_FORMAT))
        if found is None:
            raise BackupRefusedError("the store is empty: no gateway has used it yet")
        header = Header(
            VERSION,
            __version__,
            datetime.now(UTC).isoformat(timespec="seconds"),
            keys.FORMAT,
            await server_version(client),
            (key_id or b"").decode(),
        )
        writer = BackupWriter(output, header)

        def note() -> None:
            progress.show(f"{writer.counts['keys']:,} keys of {writer.counts['users']:,} users, {size(writer.written)}")

        await StoreBackup(client, writer, note).run()
        progress.end(f"{writer.counts['keys']:,} keys of {writer.counts['users']:,} users, {size(writer.written)}")

    run_on_store(settings, work)


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option("--check", is_flag=True, help="Verify FILE and describe it. Nothing is written, and no store is needed.")
@click.option("--replace", "replace_", is_flag=True, help="Delete what the gateway has in the store first.")
@click.option(
    "--lost-secret-key",
    is_flag=True,
    help="Restore although INBOX_SECRET_KEY is not that of the backup. Each project then needs `project rotate-secret "
    "--lost-secret-key`, and its integrations must be saved again.",
)
def restore(file: str, check: bool, replace_: bool, lost_secret_key: bool) -> None:
    """Restore a backup from FILE or standard input. It goes into the store that the settings name.

    Stop every process of the gateway first, `serve` and `deliver`. The whole file is verified before anything is
    written. The store must be empty, unless --replace is given. If the restoration is interrupted, no gateway uses the
    store: run it again with --replace.

    Open inboxes fetch everything once when they connect again. Deliveries and jobs that were under way continue, so
    some messages may be sent twice.

    The exit code is 0 if all is restored. Otherwise it is 1.
    """
    with opened(file) as source:
        reader, samples = verify(source, file)
        if check:
            _describe(reader)
            return
        _restore(source, reader, samples, replace_, lost_secret_key)


@contextlib.contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """Open a file that can be read twice: standard input is first copied to a temporary one."""
    if file != "-":
        if not Path(file).is_file():
            raise BackupRefusedError(f"there is no file {file}")
        with Path(file).open("rb") as source:
            yield source
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.seek(0)
        yield copy


def verify(source: BinaryIO, file: str) -> "tuple[BackupReader, list[bytes]]":
    """Read a whole backup. Return the reader, and the smallest value of each type."""
    from gateway.store.backup_contents import check_record
    from gateway.store.backup_file import BackupFileError, BackupReader, Document, Group
    from gateway.store.project_contents import check_project_record

    name = "standard input" if file == "-" else file
    progress = Progress("verified")
    smallest: dict[bytes, bytes] = {}
    try:
        reader = BackupReader(source)
        for record in reader.records():
            if reader.header.project:
                check_project_record(record, reader.header)
            elif isinstance(record, Document):
                raise BackupFileError("it is damaged: it has a part of an exported project")
            else:
                check_record(record)
            for _, _, value in record.keys if isinstance(record, Group) else ():
                if value[:1] not in smallest or len(value) < len(smallest[value[:1]]):
                    smallest[value[:1]] = value
            progress.show(size(reader.read))
    except BackupFileError as problem:
        raise BackupRefusedError(f"{name} cannot be restored: {problem}. Nothing was changed") from None
    progress.end(size(reader.read))
    return reader, list(smallest.values())


def _describe(reader: "BackupReader") -> None:
    header, end = reader.header, reader.end
    assert end is not None
    click.echo(f"created      {header.created_at} by version {header.product_version}")
    click.echo(f"format       {header.store_format} of the store, {header.version} of the file")
    click.echo(f"server       {header.server}")
    click.echo(f"secret key   {header.secret_key_id or 'none'} (an id that does not reveal it)")
    click.echo(f"users        {end.counts['users']:,}")
    click.echo(f"keys         {end.counts['keys']:,}")
    click.echo(f"size         {size(end.counts['bytes'])}, {size(reader.read)} compressed")


def _restore(
    source: BinaryIO, verified: "BackupReader", samples: list[bytes], replace_: bool, lost_secret_key: bool
) -> None:
    from gateway.store.backup_file import BackupReader
    from gateway.store.restoration import StoreRestoration, check_empty, check_unused, check_values

    settings = with_secret_key(read_settings())
    _check_header(verified.header, settings, lost_secret_key)
    assert verified.end is not None
    total, progress = verified.end.counts["keys"], Progress("restored")

    async def work(client: "FunctionClient") -> None:
        await client.load()
        await check_unused(client)
        if not replace_:
            await check_empty(client)
        await check_values(client, samples)
        source.seek(0)
        restoration = StoreRestoration(client, lambda keys: progress.show(f"{keys:,} of {total:,} keys"))
        await restoration.run(BackupReader(source).records(), verified.header.store_format)
        progress.end(f"{restoration.restored:,} keys")

    run_on_store(settings, work)
    click.echo(f"the store is as it was at {verified.header.created_at}; start the gateway", err=True)


def _check_header(header: "Header", settings: Settings, lost_secret_key: bool) -> None:
    from gateway.store import keys
    from gateway.store.formats import sentence
    from gateway.store.project_secrets import SecretCipher

    if header.project:
        raise BackupRefusedError("the file has one project, not a whole store: `inbox-gateway project import` reads it")
    if header.store_format != keys.FORMAT:
        raise BackupRefusedError(f"{sentence(header.store_format)}: restore it with version {header.product_version}")
    ours = SecretCipher(settings.secret_key, time.time).key_id
    if header.secret_key_id not in ("", ours) and not lost_secret_key:
        raise BackupRefusedError(
            "the secrets in the backup were encrypted with another INBOX_SECRET_KEY (its id is "
            f"{header.secret_key_id}, that of this key {ours}): set that key, or copy secret.key from the data "
            "directory of that gateway; if the key is lost, use --lost-secret-key"
        )


def run_on_store(settings: Settings, work: "Callable[[FunctionClient], object]") -> None:
    """Run `work` on the store, which may be empty. The bundled Valkey is started for it unless a gateway is running."""
    import asyncio

    from gateway.store.errors import BackupError
    from gateway.store.redis.client import StoreUnavailableError

    async def run() -> None:
        async with _client(settings) as client:
            await work(client)  # type: ignore[misc]

    with started_store(settings):
        try:
            asyncio.run(run())
        except StoreUnavailableError as problem:
            raise store_error(settings, problem) from None
        except BackupError as problem:
            raise BackupRefusedError(str(problem)) from None


@contextlib.asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator["FunctionClient"]:
    from gateway.store.library import LIBRARY
    from gateway.store.redis.client import FunctionClient
    from gateway.store.redis.topology import Topology

    client = FunctionClient(Topology(replace(settings, redis_timeout_seconds=TIMEOUT_SECONDS)), LIBRARY)
    try:
        yield client
    finally:
        client.close()


class Progress:
    """Reports progress on standard error: on a terminal some times a second, otherwise only the end."""

    def __init__(self, verb: str):
        self._verb = verb
        self._next = time.monotonic() + PROGRESS_SECONDS
        self._began = time.monotonic()
        self._is_terminal = sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Report progress, if it is time to."""
        if self._is_terminal and time.monotonic() >= self._next:
            self._next = time.monotonic() + PROGRESS_SECONDS
            click.echo(f"\r{self._verb} {text}\x1b[K", err=True, nl=False)

    def end(self, text: str) -> None:
        """Report the end."""
        start = "\r" if self._is_terminal else ""
        click.echo(f"{start}{self._verb} {text} in {time.monotonic() - self._began:.1f} s", err=True)


def size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
