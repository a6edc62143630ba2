"""Reads the commands of an append-only file: the bytes of each, as a client sends it (the Redis protocol, RESP2)."""

import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_COMMAND_HEAD = re.compile(rb"\*[1-9]\d{0,6}\r\n\$\d{1,9}\r\n")
_MAX_NUMBER_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Scan:
    """What reading a file found."""

    end: int
    """The offset at which the last whole command outside of MULTI and EXEC ends."""
    stopped_at: int
    """The offset at which reading stopped: the end of the file, or damage."""
    later_commands: int
    """The number of whole commands that follow the damage."""


def scan(path: Path) -> Scan:
    """Read the commands of a file up to its end or to damage."""
    size = path.stat().st_size
    if size == 0:
        return Scan(0, 0, 0)
    with _mapped(path) as data:
        end = position = 0
        in_transaction = False
        while position < size:
            name, after = _read_entry(data, position)
            if not after:
                break
            position = after
            if name == b"MULTI":
                in_transaction = True
            elif name == b"EXEC":
                in_transaction = False
            if not in_transaction:
                end = position
        return Scan(end, position, _count_commands(data, position + 1) if position < size else 0)


def count_commands(path: Path) -> int:
    """Return the number of whole commands in a file, wherever they begin. The file must not be empty."""
    with _mapped(path) as data:
        return _count_commands(data, 0)


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _read_entry(data: mmap.mmap, position: int) -> tuple[bytes, int]:
    """Return a command's name in upper case and the offset of its end, 0 if it is not whole. A comment has no name."""
    if data[position : position + 1] == b"#":
        return b"", data.find(b"\n", position) + 1
    count, position = _read_number(data, position, b"*")
    if count < 1:
        return b"", 0
    name = b""
    for index in range(count):
        length, position = _read_number(data, position, b"$")
        if length < 0 or data[position + length : position + length + 2] != b"\r\n":
            return b"", 0
        if index == 0:
            name = data[position : position + min(length, 32)].upper()
        position += length + 2
    return name, position


def _read_number(data: mmap.mmap, position: int, kind: bytes) -> tuple[int, int]:
    """Return the number in a line such as `$12`, and the offset of the next line; -1 if there is no such line."""
    if data[position : position + 1] != kind:
        return -1, 0
    end = data.find(b"\r\n", position, position + _MAX_NUMBER_LENGTH)
    digits = data[position + 1 : end] if end > 0 else b""
    return (int(digits), end + 2) if digits.isdigit() else (-1, 0)


def _count_commands(data: mmap.mmap, position: int) -> int:
    """Count the whole commands from a position on. Values are JSON or names and contain no line that begins one."""
    count = 0
    while found := _COMMAND_HEAD.search(data, position):
        _, after = _read_entry(data, found.start())
        count += after > 0
        position = after or found.start() + 1
    return count
