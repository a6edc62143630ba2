"""Append-only files as the bundled server writes them."""

from pathlib import Path

BASE, INCREMENT = "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof"
MANIFEST = f"file {BASE} seq 1 type b\nfile {INCREMENT} seq 1 type i\n"


def command(*words: str) -> bytes:
    """Return a command as it stands in the file."""
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word.encode())}\r\n{word}\r\n".encode() for word in words)


SET = command("SET", "k", "v\r\n\x00é")
TRANSACTION = command("MULTI") + SET + command("XADD", "log", "1-1", "e", "x") + command("EXEC")
COMMENT = b"#TS:1700000000\r\n"


def write_files(tmp_path: Path) -> Path:
    """Write a base and a manifest; the increment is for the test to write."""
    (tmp_path / BASE).write_bytes(b"REDIS0011")
    (tmp_path / "appendonly.aof.manifest").write_text(MANIFEST)
    return tmp_path
