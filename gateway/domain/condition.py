"""Conditions on a user's attributes: who among all users is meant.

Two spellings of one thing. A string:

    custom_attributes.plan == "pro" and (first_name = 'Ada' or not email = null)

with `=` or `==`, `!=`, `and` or `&&`, `or` or `||`, `not` or `!`, parentheses, and as values strings in either
quotes, numbers, true, false and null; a path may begin with `user.`. And an object, whose keys all must hold:

    {"custom_attributes": {"plan": "pro"}, "or": [{"first_name": "Ada"}, {"email": "ada@example.com"}]}

`"*"` is everyone. A path that leads nowhere is null. A list equals each of its items, and a list.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from gateway.domain.errors import DomainError

MAX_BYTES = 2048
MAX_DEPTH = 20
"""How long a condition may be, as UTF-8 or JSON, and how deep it may nest."""

ROOTS = ("external_id", "email", "first_name", "last_name", "phone_numbers", "custom_attributes")
"""The attributes that a path may begin with; those of `custom_attributes` are the project's own."""


class ConditionError(DomainError, ValueError):
    """A condition makes no sense. `column` counts characters from 1, in a condition that is a string."""

    def __init__(self, message: str, column: int | None = None):
        super().__init__(message if column is None else f"{message} at column {column}")
        self.column = column


@dataclass(frozen=True, slots=True)
class Everyone:
    """Holds for every user."""

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a user with these attributes is meant."""
        return True


@dataclass(frozen=True, slots=True)
class Equals:
    """Holds if what lies at the path is the value, or a list that contains it."""

    path: tuple[str, ...]
    value: Any

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a user with these attributes is meant."""
        found = _look_up(attributes, self.path)
        if _same(found, self.value):
            return True
        return isinstance(found, list) and any(_same(item, self.value) for item in found)


@dataclass(frozen=True, slots=True)
class Not:
    """Holds if the other does not."""

    condition: "Condition"

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a user with these attributes is meant."""
        return not self.condition.matches(attributes)


@dataclass(frozen=True, slots=True)
class And:
    """Holds if all of them do."""

    conditions: tuple["Condition", ...]

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a user with these attributes is meant."""
        return all(condition.matches(attributes) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Or:
    """Holds if any of them does."""

    conditions: tuple["Condition", ...]

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a user with these attributes is meant."""
        return any(condition.matches(attributes) for condition in self.conditions)


Condition: TypeAlias = Everyone | Equals | Not | And | Or


def parse(value: object) -> Condition:
    """Read a condition from what JSON gives. Raises ConditionError."""
    if isinstance(value, str):
        if _size(value) > MAX_BYTES:
            raise ConditionError(f"a condition must have at most {MAX_BYTES} bytes")
        return Everyone() if value.strip() == "*" else _Parser(value).parse()
    if isinstance(value, Mapping):
        if _depth(value) > MAX_DEPTH:
            raise ConditionError(f"a condition must nest at most {MAX_DEPTH} deep")
        if _size(json.dumps(value, ensure_ascii=False)) > MAX_BYTES:
            raise ConditionError(f"a condition must have at most {MAX_BYTES} bytes")
        return _from_object(value)
    raise ConditionError("a condition must be a string or an object")


# ---- comparing


def _look_up(attributes: Mapping[str, Any], path: Sequence[str]) -> Any:
    found: Any = attributes
    for index, name in enumerate(path):
        if not isinstance(found, Mapping):
            return None
        # A project may have attributes with dots in their names.
        rest = ".".join(path[index:])
        if rest in found:
            return found[rest]
        found = found.get(name)
    return found


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does: to Python, true is 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


# ---- objects


def _from_object(value: Mapping[str, Any]) -> Condition:
    if not value:
        raise ConditionError("a condition must not be empty")
    return _all([_from_entry(name, wanted) for name, wanted in value.items()])


def _from_entry(name: str, wanted: Any) -> Condition:
    if name in ("and", "or"):
        if not isinstance(wanted, list) or not wanted:
            raise ConditionError(f"'{name}' must be a list of conditions")
        conditions = [_from_member(name, member) for member in wanted]
        return _all(conditions) if name == "and" else _any(conditions)
    return _from_attribute(_path(name), wanted)


def _from_member(name: str, member: Any) -> Condition:
    if not isinstance(member, Mapping):
        raise ConditionError(f"'{name}' must be a list of conditions")
    return _from_object(member)


def _from_attribute(path: tuple[str, ...], wanted: Any) -> Condition:
    if isinstance(wanted, Mapping):
        if not wanted:
            raise ConditionError(f"'{'.'.join(path)}' must not be compared with an empty object")
        return _all([_from_attribute((*path, *_names(name)), inner) for name, inner in wanted.items()])
    if isinstance(wanted, list):
        raise ConditionError(f"'{'.'.join(path)}' must be compared with one value, not with a list")
    return Equals(path, wanted)


def _all(conditions: Sequence[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else And(tuple(conditions))


def _any(conditions: Sequence[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else Or(tuple(conditions))


def _names(path: str) -> tuple[str, ...]:
    names = tuple(path.split("."))
    if not all(names):
        raise ConditionError(f"'{path}' is no path: names are missing between the dots")
    return names


def _path(text: str, column: int | None = None) -> tuple[str, ...]:
    names = _names(text)
    if names[0] == "user" and len(names) > 1:
        names = names[1:]
    if names[0] not in ROOTS:
        raise ConditionError(f"'{names[0]}' is no attribute of a user; there are {', '.join(ROOTS)}", column)
    return names


def _depth(value: Any) -> int:
    """How deep containers nest; one more than MAX_DEPTH stands for all beyond."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        containers = [item for item in level if isinstance(item, Mapping | list)]
        level = [part for item in containers for part in (item.values() if isinstance(item, Mapping) else item)]
        depth += bool(containers)
    return depth


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


# ---- strings


class _Token(NamedTuple):
    kind: str
    """`value`, `path`, an operator as spelt in `_OPERATORS`, or `end`."""

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
_WORDS = {"true": True, "false": False, "null": None}
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


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPED.get(code, code)


def _number(text: str, column: int) -> int | float:
    number = float(text)
    if not math.isfinite(number):
        raise ConditionError(f"{text} is too large a number", column)
    return int(text) if re.fullmatch("-?[0-9]+", text) else number


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    end = len(text.rstrip())
    place = 0
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            start = place + len(text[place:]) - len(text[place:].lstrip())
            what = "a string without its end" if text[start] in "\"'" else f"{text[start]!r}, which makes no sense here"
            raise ConditionError(f"there is {what}", start + 1)
        assert match.lastgroup is not None
        tokens.append(_token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
        place = match.end()
    return [*tokens, _Token("end", "", end + 1)]


def _token(group: str, text: str, column: int) -> _Token:
    if group == "string":
        # As in JSON, a character beyond 16 bits may come as the escapes of two halves.
        halves = _ESCAPE.sub(_unescaped, text[1:-1]).encode("utf-16", "surrogatepass")
        return _Token("value", text, column, halves.decode("utf-16", "replace"))
    if group == "number":
        return _Token("value", text, column, _number(text, column))
    # As in SQL, the case of a keyword does not matter.
    word = text.lower()
    if word in _OPERATORS:
        return _Token(_OPERATORS[word], text, column)
    if word in _WORDS:
        return _Token("value", text, column, _WORDS[word])
    return _Token("path", text, column)


class _Parser:
    """`or` binds weaker than `and`, `and` weaker than `not`, all weaker than a comparison."""

    def __init__(self, text: str):
        self._tokens = _tokens(text)
        self._place = 0
        self._depth = 0

    def parse(self) -> Condition:
        condition = self._alternatives()
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

    def _alternatives(self) -> Condition:
        return _any(self._separated("or", lambda: _all(self._separated("and", self._negation))))

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
        condition = self._alternatives() if token.kind == "(" else Not(self._negation())
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
        path = _path(token.text, token.column)
        if self._next.kind not in ("=", "!="):
            raise self._unexpected("'==' or '!='")
        operator = self._take()
        if self._next.kind != "value":
            raise self._unexpected("a value (text needs quotes)")
        equals = Equals(path, self._take().value)
        return equals if operator.kind == "=" else Not(equals)
