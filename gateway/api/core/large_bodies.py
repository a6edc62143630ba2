"""Decodes large bodies in pieces, and only the parts that have a parameter.

A JSON parser holds Python's global interpreter lock until it returns, even in another thread. 8 MB of small objects
take 0.4 s (measured), during which the worker serves no other connection. So a large body is decoded in a thread and in
pieces. It is split at the fields and items that its parameters declare, which is ten times as fast as decoding it.
Parts without a parameter are left out. A part that is larger than its parameter allows is refused without decoding it.
"""

from functools import cache
from itertools import count
from typing import Any

import msgspec

from gateway.domain.errors import invalid
from gateway.domain.objects import Array, Object
from gateway.domain.params import Param

LARGE_BYTES = 256 * 1024
"""Larger bodies are decoded in pieces. JSON of up to this size takes about 10 ms at most, in any shape (measured)."""

PIECE_BYTES = 64 * 1024

MAX_FIELDS = 1000
"""The most fields of an object in a large body. Half a million fit into 8 MB, and take 0.4 s (measured)."""


def decode_in_pieces(body: bytes | msgspec.Raw, param: Param, path: str = "") -> Any:
    """Return a value for which `param.read` returns and reports the same as for the decoded body.

    `path` is the path of this part of the body, "" for all of it. Raises the errors of a decoder, and ApiError 422 for
    an object with more than MAX_FIELDS fields.
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
    """The name of a field. Decoding one calls a hook, which raises when there are too many."""

    __slots__ = ()


def _fields(body: bytes | msgspec.Raw, path: str) -> dict[_Name, msgspec.Raw]:
    numbers = count(1)

    def count_name(_type: type, name: str) -> _Name:
        if next(numbers) > MAX_FIELDS:
            subject = f"Param '{path}'" if path else "The body"
            raise invalid(f"{subject} must have at most {MAX_FIELDS} fields")
        return _Name(name)

    return msgspec.json.Decoder(dict[_Name, msgspec.Raw], dec_hook=count_name).decode(body)


def _items(body: bytes | msgspec.Raw, most: int) -> list[msgspec.Raw] | None:
    """Return the items of an array, None if there are more than `most`.

    Decoding stops at the first item too many: 8 MB of small items would take 0.3 s and 300 MB (measured).
    """
    try:
        items = msgspec.structs.astuple(_decoder_of_items(most).decode(body))
    except msgspec.ValidationError:
        return None
    return [item for item in items if item is not msgspec.UNSET]


@cache
def _decoder_of_items(most: int) -> msgspec.json.Decoder[msgspec.Struct]:
    """Return a decoder of arrays with at most this many items. With any other type, msgspec decodes all items first."""
    fields = [(f"item_{index}", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for index in range(most)]
    return msgspec.json.Decoder(msgspec.defstruct("Items", fields, array_like=True, forbid_unknown_fields=True))


def _first_byte(view: memoryview) -> bytes:
    return bytes(view[:PIECE_BYTES]).lstrip(b" \t\r\n")[:1]
