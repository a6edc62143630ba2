"""The `if` of a delivery config: a condition on a notification, by which a channel is used or left out.

    text        = "{{" condition "}}"
    condition   = conjunction *( "or" conjunction )
    conjunction = negation *( "and" negation )
    negation    = "not" negation / comparison
    comparison  = path [ ( "==" / "!=" ) value ]
    path        = "notification." ( "seen" / "unseen" / "read" / "unread" / "archived" / "category" / "topic"
                  / "custom_attributes." name *( "." name ) )
    value       = string / number / "true" / "false" / "null"

A path alone holds if its value exists and is not null, false or "". Strings are in single or double quotes, with the
escapes of JSON. A list equals a value if one of its items does. Nothing else is valid, and nothing is ever assumed to
be true.
"""

from collections.abc import Mapping
from typing import Any

from gateway.domain.condition import (
    MAX_BYTES,
    MAX_DEPTH,
    Condition,
    ConditionError,
    Equals,
    Holds,
    Not,
)
from gateway.domain.condition_tokens import Token, TokenParser, tokens_of

SUBJECT = "notification"
FLAGS = ("seen", "unseen", "read", "unread", "archived")
TEXTS = ("category", "topic")
ATTRIBUTES = "custom_attributes"

EXCERPT_CHARACTERS = 60
"""How many characters an excerpt has."""

_OPEN, _CLOSE = "{{", "}}"
_WORDS = frozenset(("or", "and", "not", "==", "!="))


def parse_delivery_condition(text: str) -> Condition:
    """Return the condition that a text denotes. Raises ConditionError, with a column."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ConditionError(f"it must have at most {MAX_BYTES} bytes", 1)
    start, stop = len(text) - len(text.lstrip()), len(text.rstrip())
    if not text.startswith(_OPEN, start):
        raise ConditionError(f"'{_OPEN}' is expected", start + 1)
    if not text.endswith(_CLOSE, start + len(_OPEN), stop):
        raise ConditionError(f"'{_CLOSE}' is expected at the end", stop + 1)
    return _Parser(tokens_of(text, start + len(_OPEN), stop - len(_CLOSE))).parse()


def excerpt(text: str, column: int) -> str:
    """Return two lines: the part of a text around a column, and a caret below the column."""
    first = max(0, min(column - 1 - EXCERPT_CHARACTERS // 2, len(text) + 1 - EXCERPT_CHARACTERS))
    part = text[first : first + EXCERPT_CHARACTERS]
    shown = "".join(character if character.isprintable() else " " for character in part)
    return f"{shown}\n{' ' * (column - 1 - first)}^"


def notification_attributes(
    *,
    seen: bool,
    read: bool,
    archived: bool,
    category: str,
    topic: str,
    custom_attributes: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return what a condition of this module refers to, for `Condition.matches`. "" is no category and no topic."""
    return {
        "seen": seen,
        "unseen": not seen,
        "read": read,
        "unread": not read,
        "archived": archived,
        "category": category or None,
        "topic": topic or None,
        ATTRIBUTES: custom_attributes,
    }


class _Parser(TokenParser):
    """The rules of the grammar that differ from those of other conditions."""

    end = f"'and', 'or' or '{_CLOSE}'"

    def _is(self, word: str) -> bool:
        """Return whether the next token is a word of the grammar, spelled exactly so."""
        return word in _WORDS and self._next.text == word and self._next.kind not in ("value", "end")

    def _negation(self) -> Condition:
        count = 0
        while self._is("not"):
            token = self._take()
            count += 1
            if count > MAX_DEPTH:
                raise ConditionError(f"there may be at most {MAX_DEPTH} 'not' in a row", token.column)
        condition = self._comparison()
        for _ in range(count):
            condition = Not(condition)
        return condition

    def _comparison(self) -> Condition:
        if self._next.kind != "path":
            raise self._unexpected(f"a value such as '{SUBJECT}.seen'")
        path = _path(self._take())
        if not (self._is("==") or self._is("!=")):
            return Holds(path)
        is_equal = self._take().text == "=="
        token = self._next
        if token.kind != "value":
            raise self._unexpected("a value (text needs quotes)")
        if path[0] in FLAGS and not isinstance(token.value, bool):
            raise self._unexpected("true or false")
        self._take()
        equals = Equals(path, token.value)
        return equals if is_equal else Not(equals)


def _path(token: Token) -> tuple[str, ...]:
    """Return the names of a path after its first one. Raises ConditionError."""
    subject, *names = token.text.split(".")
    if subject != SUBJECT:
        raise ConditionError(f"'{subject}' is not known; a path begins with '{SUBJECT}.'", token.column)
    column = token.column + len(subject) + 1
    if not names or names[0] not in (*FLAGS, *TEXTS, ATTRIBUTES):
        known = ", ".join((*FLAGS, *TEXTS, f"{ATTRIBUTES}.…"))
        raise ConditionError(f"a notification has {known}", column if names else token.column)
    column += len(names[0])
    if names[0] == ATTRIBUTES and len(names) == 1:
        raise ConditionError(f"'{ATTRIBUTES}.' must be followed by the name of an attribute", column)
    if names[0] != ATTRIBUTES and len(names) > 1:
        raise ConditionError(f"'{SUBJECT}.{names[0]}' has no parts", column)
    return tuple(names)
