"""The body of a request: its declaration, and how it is decoded and checked."""

import codecs
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.domain.errors import ErrorCode, invalid, malformed_body
from gateway.domain.objects import Object
from gateway.domain.params import Problems

SMALL_BODY_BYTES = 64 * 1024
"""Several times what a body without long lists needs, however its JSON is formatted."""

LISTS_BODY_BYTES = 256 * 1024
"""Enough for the longest lists of a user: 250 categories, each with its channels or a reason."""


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request: `{root: {…}}`, or the object itself if `root` is "". `example` is such an object."""

    root: str
    param: Object
    example: Mapping[str, Any]
    refusals: tuple[ErrorCode, ...] = ()
    """The errors with which a valid body may be refused."""
    max_bytes: int | None = SMALL_BODY_BYTES
    """The size limit; None for INBOX_MAX_BODY_BYTES."""

    @property
    def whole(self) -> Object:
        """The parameter of the whole body, its wrapper included."""
        return Object(fields={self.root: self.param}) if self.root else self.param

    def wrapped(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return a whole body that contains this object."""
        return {self.root: dict(value)} if self.root else dict(value)


def read_body(
    body: bytes,
    root: str,
    param: Object,
    decode: Callable[[bytes], Any] = msgspec.json.decode,
    problems: Problems | None = None,
) -> dict[str, Any]:
    """Return the fields of the object in a body, None for each that is absent. Raises ApiError 400 or 422.

    The body is `{root: {…}}`, or the object itself if `root` is "". The caller may pass `problems` to find out which
    names are unknown.
    """
    try:
        # A byte order mark is not JSON, but a parser may ignore it (RFC 8259, 8.1). .NET clients send one.
        decoded = decode(body.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise malformed_body(f"The body is not valid JSON: {problem}") from None
    if not isinstance(decoded, dict):
        raise invalid("The body must be a JSON object")
    problems = Problems() if problems is None else problems
    if root and len(decoded) > 1:
        problems.note_unknown("", decoded.keys() - {root}, frozenset((root,)))
    values = param.read(decoded.get(root) if root else decoded, root, problems)
    if problems:
        raise invalid(*problems)
    return dict(values)
