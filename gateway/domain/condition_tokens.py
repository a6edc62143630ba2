"""The tokens of conditions, and their parser as far as `condition_text` and `delivery_condition` share it.

Strings are in single or double quotes, with the escapes of JSON.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.domain.condition import Condition, ConditionError, all_of, any_of


class Token(NamedTuple):
    """A token of a condition. `column` counts characters from 1."""

    kind: str
    """`value`, `path`, an operator as the values of `_OPERATORS` spell it, or `end`."""

    text: str
    column: int
    value: Any = None


_OPERATORS = {
    "==": "=",
    "=": "=",
    "!=": "!=",
    "&&": "and",
    "||": "or",
    "!": "not",
    "(": "(",
    ")": ")",
    "and": "and",
    "or": "or",
    "not": "not",
}
_CONSTANTS = {"true": True, "false": False, "null": None}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.]))
      | (?P<operator>==|!=|&&|\|\||[=!()])
      | (?P<word>[^\W\d][\w-]*(?:\.[\w-]+)*)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def tokens_of(text: str, start: int = 0, stop: int | None = None) -> list[Token]:
    """Return the tokens of a text, or of the part of it from `start` to `stop`, and an `end`. Raises ConditionError."""
    tokens: list[Token] = []
    end = len(text[:stop].rstrip())
    place = start
    while place < end:
        match = _TOKEN.match(text, place, end)
        if match is None or match.lastgroup is None:
            raise _unknown(text, place)
        tokens.append(_token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
        place = match.end()
    return [*tokens, Token("end", "", end + 1)]


def _unknown(text: str, place: int) -> ConditionError:
    """Return the error for a place where no token begins."""
    start = place + len(text[place:]) - len(text[place:].lstrip())
    what = "a string without its end" if text[start] in "\"'" else f"{text[start]!r}, which makes no sense here"
    return ConditionError(f"there is {what}", start + 1)


def _token(group: str, text: str, column: int) -> Token:
    if group == "string":
        # As in JSON, a character beyond 16 bits may be spelt as two escapes, a surrogate pair.
        halves = _ESCAPE.sub(_unescaped, text[1:-1]).encode("utf-16", "surrogatepass")
        return Token("value", text, column, halves.decode("utf-16", "replace"))
    if group == "number":
        return Token("value", text, column, _number(text, column))
    word = text.lower()
    if word in _OPERATORS:
        return Token(_OPERATORS[word], text, column)
    if word in _CONSTANTS:
        return Token("value", text, column, _CONSTANTS[word])
    return Token("path", text, column)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPED.get(code, code)


def _number(text: str, column: int) -> int | float:
    number = float(text)
    if not math.isfinite(number):
        raise ConditionError(f"{text} is too large a number", column)
    return int(text) if re.fullmatch("-?[0-9]+", text) else number


class TokenParser(ABC):
    """A recursive descent parser of conditions. A subclass has a method for each rule of its grammar."""

    end = "'and', 'or' or the end"
    """What may follow a condition, for messages."""

    def __init__(self, tokens: list[Token]):
        self._tokens = tokens
        self._place = 0

    def parse(self) -> Condition:
        """Return the condition that all tokens denote. Raises ConditionError, with a column."""
        condition = self._condition()
        if self._next.kind != "end":
            raise self._unexpected(self.end)
        return condition

    @abstractmethod
    def _negation(self) -> Condition:
        """Read a condition without `and` and `or`."""

    @abstractmethod
    def _is(self, word: str) -> bool:
        """Return whether the next token is this operator."""

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._next
        self._place += 1
        return token

    def _unexpected(self, wanted: str) -> ConditionError:
        token = self._next
        found = "it ends" if token.kind == "end" else f"there is '{token.text}'"
        return ConditionError(f"{wanted} is expected where {found}", token.column)

    def _condition(self) -> Condition:
        return any_of(self._separated("or", lambda: all_of(self._separated("and", self._negation))))

    def _separated(self, word: str, parse_one: Callable[[], Condition]) -> list[Condition]:
        conditions = [parse_one()]
        while self._is(word):
            self._take()
            conditions.append(parse_one())
        return conditions
