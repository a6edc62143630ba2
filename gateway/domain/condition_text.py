"""The notation of a condition as a string.

    condition   = conjunction *( or conjunction )
    conjunction = negation *( and negation )
    negation    = not negation / "(" condition ")" / comparison
    comparison  = path ( "=" / "==" / "!=" ) value
    or          = "or" / "||"
    and         = "and" / "&&"
    not         = "not" / "!"
    value       = string / number / "true" / "false" / "null"

Strings are in single or double quotes, with the escapes of JSON. The case of a keyword does not matter, as in SQL. A
path has names between dots, such as `custom_attributes.plan`, and may begin with `user.`.
"""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.domain.condition import (
    MAX_DEPTH,
    Condition,
    ConditionError,
    Equals,
    Not,
    all_of,
    any_of,
    attribute_path,
)


def parse_text(text: str) -> Condition:
    """Return the condition that a string denotes. Raises ConditionError, with a column."""
    return _Parser(text).parse()


# ---- tokens


class _Token(NamedTuple):
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


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    end = len(text.rstrip())
    place = 0
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _unknown(text, place)
        tokens.append(_token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
        place = match.end()
    return [*tokens, _Token("end", "", end + 1)]


def _unknown(text: str, place: int) -> ConditionError:
    """Return the error for a place where no token begins."""
    start = place + len(text[place:]) - len(text[place:].lstrip())
    what = "a string without its end" if text[start] in "\"'" else f"{text[start]!r}, which makes no sense here"
    return ConditionError(f"there is {what}", start + 1)


def _token(group: str, text: str, column: int) -> _Token:
    if group == "string":
        # As in JSON, a character beyond 16 bits may be spelt as two escapes, a surrogate pair.
        halves = _ESCAPE.sub(_unescaped, text[1:-1]).encode("utf-16", "surrogatepass")
        return _Token("value", text, column, halves.decode("utf-16", "replace"))
    if group == "number":
        return _Token("value", text, column, _number(text, column))
    word = text.lower()
    if word in _OPERATORS:
        return _Token(_OPERATORS[word], text, column)
    if word in _CONSTANTS:
        return _Token("value", text, column, _CONSTANTS[word])
    return _Token("path", text, column)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPED.get(code, code)


def _number(text: str, column: int) -> int | float:
    number = float(text)
    if not math.isfinite(number):
        raise ConditionError(f"{text} is too large a number", column)
    return int(text) if re.fullmatch("-?[0-9]+", text) else number


# ---- the parser


class _Parser:
    """A recursive descent parser with a method for each rule of the grammar."""

    def __init__(self, text: str):
        self._tokens = _tokens(text)
        self._place = 0
        self._depth = 0

    def parse(self) -> Condition:
        condition = self._condition()
        if self._next.kind != "end":
            raise self._unexpected("'and', 'or' or the end")
        return condition

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        self._place += 1
        return token

    def _unexpected(self, wanted: str) -> ConditionError:
        token = self._next
        found = "it ends" if token.kind == "end" else f"there is '{token.text}'"
        return ConditionError(f"{wanted} is expected where {found}", token.column)

    def _condition(self) -> Condition:
        return any_of(self._separated("or", lambda: all_of(self._separated("and", self._negation))))

    def _separated(self, kind: str, parse_one: Callable[[], Condition]) -> list[Condition]:
        conditions = [parse_one()]
        while self._next.kind == kind:
            self._take()
            conditions.append(parse_one())
        return conditions

    def _negation(self) -> Condition:
        if self._next.kind not in ("not", "("):
            return self._comparison()
        token = self._take()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ConditionError(f"a condition must nest at most {MAX_DEPTH} deep; it is deeper", token.column)
        condition = self._condition() if token.kind == "(" else Not(self._negation())
        if token.kind == "(":
            if self._next.kind != ")":
                raise self._unexpected("')'")
            self._take()
        self._depth -= 1
        return condition

    def _comparison(self) -> Condition:
        if self._next.kind != "path":
            raise self._unexpected("an attribute such as 'email'")
        token = self._take()
        path = attribute_path(token.text, token.column)
        if self._next.kind not in ("=", "!="):
            raise self._unexpected("'==' or '!='")
        operator = self._take()
        if self._next.kind != "value":
            raise self._unexpected("a value (text needs quotes)")
        equals = Equals(path, self._take().value)
        return equals if operator.kind == "=" else Not(equals)
