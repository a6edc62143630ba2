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

from collections.abc import Callable

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
from gateway.domain.condition_tokens import Token, tokens_of

SplitPath = Callable[[str, int | None], tuple[str, ...]]


def parse_text(text: str, split_path: SplitPath = attribute_path) -> Condition:
    """Return the condition that a string denotes. Raises ConditionError, with a column.

    `split_path` splits a path, and raises ConditionError for one that is not known.
    """
    return _Parser(text, split_path).parse()


class _Parser:
    """A recursive descent parser with a method for each rule of the grammar."""

    def __init__(self, text: str, split_path: SplitPath):
        self._split_path = split_path
        self._tokens = tokens_of(text)
        self._place = 0
        self._depth = 0

    def parse(self) -> Condition:
        condition = self._condition()
        if self._next.kind != "end":
            raise self._unexpected("'and', 'or' or the end")
        return condition

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
        path = self._split_path(token.text, token.column)
        if self._next.kind not in ("=", "!="):
            raise self._unexpected("'==' or '!='")
        operator = self._take()
        if self._next.kind != "value":
            raise self._unexpected("a value (text needs quotes)")
        equals = Equals(path, self._take().value)
        return equals if operator.kind == "=" else Not(equals)
