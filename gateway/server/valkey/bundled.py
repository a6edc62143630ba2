"""The bundled Valkey: a child process that listens on a Unix socket in the data directory.

The server must not outlive the gateway, nor run twice on the same data. Linux signals it when its parent dies. macOS
has no such signal, so a server that still replies on the socket at the start is shut down first. The lock on the data
directory excludes a second gateway.

After an unclean end the data may lack writes that were acknowledged. Clients must then not resume from their positions.
So the data gets a new generation before any client can connect: until then the server listens on another socket.
"""

import os
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress

from gateway.server.data_directory import create_directory, sync_directory
from gateway.server.errors import BundledValkeyError, DataDirectoryError, UnrepairableError
from gateway.server.valkey.aof_manifest import MANIFEST, check_manifest
from gateway.server.valkey.append_only_file import find_damaged_ends, unreadable
from gateway.server.valkey.options import valkey_options
from gateway.server.valkey.output import ValkeyOutput
from gateway.server.valkey.process import START_SECONDS, ValkeyProcess, send_command
from gateway.settings import Settings
from gateway.store import keys
from gateway.telemetry.logs import log

MAX_SOCKET_PATH_BYTES = 100
"""A little less than the most bytes in the address of a Unix socket: 104 on macOS, 108 on Linux."""


class BundledValkey:
    """One server. Call `start`, then `poll`, then `start` again if the server has ended, and `stop` at the end."""

    def __init__(self, settings: Settings):
        self._socket = settings.valkey_socket.absolute()
        self._directory = self._socket.parent
        self._files = self._directory / "appendonlydir"
        # The server listens here first, until its data has the right generation.
        self._starting_socket = self._directory / "starting.sock"
        # A server that ends cleanly removes its pid file. The durability is part of the name, because after an unclean
        # end it decides whether the data may lack writes.
        self._pid_file = self._directory / f"{settings.durability}.pid"
        # While this file exists, the data may lack acknowledged writes and has yet to get a new generation.
        self._doubt_file = self._directory / "generation-in-doubt"
        self._options = valkey_options(settings, self._directory, self._starting_socket, self._pid_file)
        self._process: ValkeyProcess | None = None
        self._output = ValkeyOutput()

    @property
    def last_warnings(self) -> str:
        """The server's last warnings, which show why it ended."""
        return self._output.last_warnings

    def log_once(self, on: bool) -> None:
        """Set whether only warnings are logged, each of them once. This is for a server that ends again and again."""
        self._output.log_once(on)

    def start(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Start the server, repair its append-only file if that is needed, and wait until the server replies.

        Raises BundledValkeyError or DataDirectoryError. UnrepairableError means that another attempt would fail too.
        """
        create_directory(self._directory)
        if len(os.fsencode(self._starting_socket)) > MAX_SOCKET_PATH_BYTES:
            raise BundledValkeyError(
                f"{self._starting_socket} is too long for a Unix socket ({MAX_SOCKET_PATH_BYTES} bytes): "
                "set INBOX_DATA_DIR to a shorter path"
            )
        self._shut_leftover_down()
        try:
            self._examine_files()
            self._start_process(cancelled)
            self._renew_generation()
            self._starting_socket.rename(self._socket)
        except UnrepairableError:
            # Whatever an operator does about it, such as restoring a backup, the data will lack writes.
            with suppress(OSError):
                self._doubt_file.touch()
            raise
        except OSError as problem:
            self.stop()
            raise BundledValkeyError(f"Valkey cannot be started in {self._directory}: {problem}") from None
        except BundledValkeyError:
            self.stop()
            raise

    @property
    def pid(self) -> int | None:
        """The process id of the server, None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def poll(self) -> int | None:
        """Return the exit code of a server that has ended, None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """Stop the server, which first writes its data to disk."""
        if self._process is not None:
            self._process.stop()
        self._output.finish()

    def _examine_files(self) -> None:
        """Check for signs of an unclean end, and repair the manifest of the append-only file."""
        died_unsynced = self._directory / "memory.pid"
        if died_unsynced.exists():
            self._doubt_file.touch()
            died_unsynced.unlink()
            sync_directory(self._directory)
        self._pid_file.touch()  # raises on a full disk, where the server itself would only log the failure
        kept = check_manifest(self._files)
        if kept is not None:
            self._doubt_file.touch()
            log.error(
                "append_only_file_repaired",
                message="The manifest of the append-only file was missing or damaged, and was written anew.",
                kept=str(kept) if kept.name != MANIFEST else None,
            )

    def _start_process(self, cancelled: Callable[[], bool]) -> None:
        self._process = ValkeyProcess(self._options, self._output)
        if self._process.becomes_ready(cancelled):
            return
        # The server's warnings do not reliably distinguish damage from other reasons. The files do.
        ends = find_damaged_ends(self._files)
        if not ends:
            raise self._explain_end(self._process)
        self._doubt_file.touch()
        for end in ends:
            kept = end.cut()
            log.error(
                "append_only_file_repaired",
                message=f"The end of {end.path} was damaged, as after a power loss: {end.bytes} bytes were cut off.",
                cut_bytes=end.bytes,
                kept=str(kept),
            )
        self._process = ValkeyProcess(self._options, self._output)
        if not self._process.becomes_ready(cancelled):
            raise self._explain_end(self._process)

    def _renew_generation(self) -> None:
        """Write a new generation to data that may lack writes, so that clients fetch the inbox instead of resuming."""
        if not self._doubt_file.exists():
            return
        # A server at the bound of its memory would refuse the write.
        bound = self._options["maxmemory"]
        self._send(b"CONFIG SET maxmemory 0")
        reply = self._send(f"SET {keys.GENERATION} {secrets.token_hex(4)}".encode())
        self._send(f"CONFIG SET maxmemory {bound}".encode())
        if reply != b"+OK\r\n":
            error = reply.decode(errors="replace").strip()
            raise BundledValkeyError(f"Valkey accepts no writes: {error or 'it does not reply'}")
        self._doubt_file.unlink()

    def _send(self, command: bytes) -> bytes:
        return send_command(command, self._starting_socket)

    def _explain_end(self, process: ValkeyProcess) -> BundledValkeyError:
        last = self.last_warnings
        if re.search(r"\bRDB\b|\bAOF\b|append only", last):
            return unreadable(self._files, last)
        return BundledValkeyError(f"Valkey ended with code {process.poll()}; its last warnings: {last or 'none'}")

    def _shut_leftover_down(self) -> None:
        """Shut down a server of an earlier run that still replies."""
        deadline = time.monotonic() + START_SECONDS
        while send_command(b"PING", self._socket):
            if time.monotonic() > deadline:
                raise BundledValkeyError(f"a Valkey from an earlier run still replies on {self._socket}: stop it")
            send_command(b"SHUTDOWN", self._socket)
            time.sleep(0.05)
        try:
            self._socket.unlink(missing_ok=True)
        except OSError as problem:
            raise DataDirectoryError(f"{self._socket} cannot be removed: {problem.strerror}") from None
