"""Decoding large bodies in pieces, and only what is known of them.

A JSON parser holds Python's global lock until it is done, in whichever thread it runs: 8 MB of small objects take it
0.4 s (measured), in which no other connection of the worker is served. So a large body is split where its parameters
say that there are fields and items, which is ten times as fast as decoding it, and decoded piece by piece, in a thread.
What no parameter knows is left out, and what is larger than its parameter may ever be is not decoded to find that out.
"""

from functools import cache
from itertools import count
from typing import Any

import msgspec

from gateway.api.core.params import Array, Object, Param
from gateway.domain.errors import invalid

LARGE_BYTES = 256 * 1024
"""Bodies beyond this are decoded in pieces: below, no shape of JSON takes more than some 10 ms (measured)."""

PIECE_BYTES = 64 * 1024

MAX_FIELDS = 1000
"""Fields of an object in a large body: of 8 MB, half a million fit in, and take 0.4 s (measured)."""


def decode_in_pieces(body: bytes | msgspec.Raw, param: Param, path: str = "") -> Any:
    """Return what `param.read` makes the same of as of the decoded body.

    Raises what a decoder raises, and ApiError 422 for an object with more fields than any client sends. `path` names
    the part of the body that this is.
    """
    view = memoryview(body)
    if view.nbytes <= PIECE_BYTES:
        return msgspec.json.decode(body)
    first = _first_byte(view)
    if first == b"{" and isinstance(param, Object):
        prefix = f"{path}." if path else ""
        return {
            str(name): decode_in_pieces(raw, param.fields[name], f"{prefix}{name}") if name in param.fields else None
            for name, raw in _fields(body, path).items()
        }
    if first == b"[" and isinstance(param, Array):
        items = _items(body, param.max_items)
        if items is None:
            return [None] * (param.max_items + 1)
        return [decode_in_pieces(item, param.item, f"{path}[{index}]") for index, item in enumerate(items)]
    if first in (b"{", b"["):
        return param.oversized(first == b"{")
    return msgspec.json.decode(body)


class _Name(str):
    """A field's name. Decoding one calls back, so that too many of them end it."""

    __slots__ = ()


def _fields(body: bytes | msgspec.Raw, path: str) -> dict[_Name, msgspec.Raw]:
    numbers = count(1)

    def count_name(_type: type, name: str) -> _Name:
        if next(numbers) > MAX_FIELDS:
            whole = f"Param '{path}'" if path else "The body"
            raise invalid(f"{whole} must have at most {MAX_FIELDS} fields")
        return _Name(name)

    return msgspec.json.Decoder(dict[_Name, msgspec.Raw], dec_hook=count_name).decode(body)


def _items(body: bytes | msgspec.Raw, most: int) -> list[msgspec.Raw] | None:
    """Return the items, or None as soon as there are too many: 8 MB of small ones take 0.3 s and 300 MB (measured)."""
    try:
        items = msgspec.structs.astuple(_decoder_of_items(most).decode(body))
    except msgspec.ValidationError:
        return None
    return [item for item in items if item is not msgspec.UNSET]


@cache
def _decoder_of_items(most: int) -> msgspec.json.Decoder[msgspec.Struct]:
    """Build what decodes an array of so many items at most: no other type of msgspec's ends where the next begins."""
    fields = [(f"item_{index}", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for index in range(most)]
    return msgspec.json.Decoder(msgspec.defstruct("Items", fields, array_like=True, forbid_unknown_fields=True))


def _first_byte(view: memoryview) -> bytes:
    return bytes(view[:PIECE_BYTES]).lstrip(b" \t\r\n")[:1]
