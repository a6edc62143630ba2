"""The file of a backup: a stream of frames, written and read in one go, with bounded memory.

    the line `inbox-gateway backup`, then frames: kind (1 byte), length (4 bytes, big endian), CRC-32 of the content
    (4 bytes), content

    H   the header, once, in JSON
    D   records in MessagePack, compressed by zlib; many
    E   the end, once, in JSON: how much there is of what, and the SHA-256 of all bytes before it

A file without its end is truncated. A reader verifies the whole file before anything is written to a store.
"""

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, TypeVar

import msgspec

MAGIC = b"inbox-gateway backup\n"

VERSION = 1
"""The version of the file's format. Each change that an older reader would misread increments it."""

FRAME_BYTES = 1024 * 1024
"""How many bytes of records are collected into a frame."""

MAX_FRAME_BYTES = 2 * 1024 * 1024 * 1024
"""The most bytes of a frame, compressed or not."""

_HEAD_BYTES = 9

COUNTED = frozenset(("users", "keys", "bytes"))
"""What the end of a file has the number of."""

T = TypeVar("T")


class BackupFileError(Exception):
    """A file is not a backup that this version can read: of another kind or version, truncated or damaged."""


class Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a file begins with.

    `secret_key_id` identifies the INBOX_SECRET_KEY that encrypted the secrets, without revealing it. `project` is the
    API key of an exported project, "" in a backup of a whole store, and `project_id` its id.
    """

    version: int
    product_version: str
    created_at: str
    store_format: str
    server: str
    secret_key_id: str = ""
    project: str = ""
    project_id: str = ""
    salt: str = ""
    """The salt of the passphrase that encrypted the secrets of an exported project, "" if they are left out."""

    @property
    def is_plain(self) -> bool:
        """Return whether all texts are printable: commands print them on a terminal."""
        return all(str(value).isprintable() for value in msgspec.structs.astuple(self))


class Group(msgspec.Struct, frozen=True, array_like=True, tag="g"):
    """Keys of one slot as of one moment: name, unix ms of expiry or -1, value in the form of DUMP.

    `user` is set for the keys of a user, `has_log` if it has an event log. `routes` has the codes of the routes on
    which the user has something due.
    """

    keys: Sequence[tuple[bytes, int, bytes]]
    user: bool = False
    has_log: bool = False
    routes: str = ""


class Part(msgspec.Struct, frozen=True, array_like=True, tag="p"):
    """Some entries of a large key of type hash, set or zset, as its command (HSET, SADD, ZADD) takes them.

    `directory` is set for a directory of users, whose names and index are derived from its records.
    """

    key: bytes
    kind: str
    expires_ms: int
    entries: Sequence[bytes]
    directory: bool = False


class Document(msgspec.Struct, frozen=True, array_like=True, tag="d"):
    """A part of an exported project that is not copied as it is stored: JSON, and the user who has it, or ""."""

    name: str
    content: bytes
    user_id: str = ""


Record = Group | Part | Document

_encode_records = msgspec.msgpack.Encoder().encode
_decode_records = msgspec.msgpack.Decoder(list[Record]).decode


class End(msgspec.Struct, frozen=True):
    """How much a file has, and the digest of all that is before."""

    counts: Mapping[str, int]
    sha256: str


class BackupWriter:
    """Writes a file. Call `add` for each record, and `finish` at the end."""

    def __init__(self, file: BinaryIO, header: Header):
        self._file = file
        self._digest = hashlib.sha256()
        self._records: list[Record] = []
        self._bytes = 0
        self.counts = dict.fromkeys(sorted(COUNTED), 0)
        """How many users, keys and bytes of values there are so far."""
        self.written = 0
        """How many bytes the file has so far."""
        self._write(MAGIC)
        self._write_frame(b"H", msgspec.json.encode(header))

    def add(self, record: Record) -> None:
        """Write a record, with some others."""
        if isinstance(record, Group):
            size = sum(len(name) + len(value) for name, _, value in record.keys)
            self.counts["keys"] += len(record.keys)
            self.counts["users"] += record.user
        elif isinstance(record, Part):
            size = sum(map(len, record.entries))
        else:
            size = len(record.content)
        self.counts["bytes"] += size
        self._records.append(record)
        self._bytes += size
        if self._bytes >= FRAME_BYTES:
            self._flush()

    def count_key(self) -> None:
        """Count a key that is written in parts."""
        self.counts["keys"] += 1

    def finish(self) -> None:
        """Write the end of the file."""
        self._flush()
        self._write_frame(b"E", msgspec.json.encode(End(self.counts, self._digest.hexdigest())))
        self._file.flush()

    def _flush(self) -> None:
        if self._records:
            # Level 1 compresses some 60 MB/s, and what Redis stores compactly hardly gets smaller at a higher one.
            self._write_frame(b"D", zlib.compress(_encode_records(self._records), 1))
            self._records, self._bytes = [], 0

    def _write_frame(self, kind: bytes, content: bytes) -> None:
        self._write(kind + len(content).to_bytes(4) + zlib.crc32(content).to_bytes(4))
        self._write(content)

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)
        self.written += len(data)


class BackupReader:
    """Reads a file. The header is read at once. Methods raise BackupFileError."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._digest = hashlib.sha256()
        self.read = 0
        """How many bytes were read so far."""
        if self._read(len(MAGIC), "its first line") != MAGIC:
            raise BackupFileError("it is not a backup: its first line is another")
        kind, content = self._frame()
        if kind != b"H":
            raise BackupFileError("it is damaged: it has no header")
        version = _decoded(content, _Version).version
        if version != VERSION:
            raise BackupFileError(
                f"it has version {version} of the format, and this version of the gateway reads version {VERSION}: "
                "restore it with the version that wrote it, or a newer one"
            )
        self.header = _decoded(content, Header)
        if not self.header.is_plain:
            raise BackupFileError("it is damaged: its header has characters that cannot be printed")
        self.end: End | None = None
        """The end of the file, once `records` has reached it."""

    def records(self) -> Iterator[Record]:
        """Yield the records. At the end, check that there is nothing missing."""
        while True:
            before = self._digest.hexdigest()
            kind, content = self._frame()
            if kind == b"E":
                self.end = _decoded(content, End)
                if self.end.sha256 != before or not self.end.counts.keys() >= COUNTED:
                    raise BackupFileError("it is damaged: its content does not have the digest at its end")
                if self._file.read(1):
                    raise BackupFileError("it is damaged: something follows its end")
                return
            if kind != b"D":
                raise BackupFileError("it is damaged: it has a frame of an unknown kind")
            yield from _records_in(content)

    def _frame(self) -> tuple[bytes, bytes]:
        place = self.read
        head = self._read(_HEAD_BYTES, "a frame")
        length = int.from_bytes(head[1:5])
        if length > MAX_FRAME_BYTES:
            raise BackupFileError(f"it is damaged at byte {place}")
        content = self._read(length, "a frame")
        if zlib.crc32(content) != int.from_bytes(head[5:9]):
            raise BackupFileError(f"it is damaged between bytes {place} and {self.read}")
        return head[:1], content

    def _read(self, length: int, what: str) -> bytes:
        data = self._file.read(length)
        if len(data) < length:
            raise BackupFileError(f"it is truncated: it ends within {what}, after {self.read + len(data)} bytes")
        self._digest.update(data)
        self.read += length
        return data


def _records_in(content: bytes) -> Sequence[Record]:
    """Return the records of a frame. A small file must not take any amount of memory."""
    try:
        decompressing = zlib.decompressobj()
        plain = decompressing.decompress(content, MAX_FRAME_BYTES)
        if not decompressing.eof or decompressing.unused_data:
            raise BackupFileError("it is damaged: a frame is too large, or cut off")
        return _decode_records(plain)
    except (zlib.error, msgspec.MsgspecError):
        raise BackupFileError("it is damaged: a frame cannot be decoded") from None


class _Version(msgspec.Struct):
    """The field of the header that is read first."""

    version: int


def _decoded(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError:
        raise BackupFileError("it is damaged: its header or its end cannot be decoded") from None
