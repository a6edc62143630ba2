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
    attribute_path,
)
from gateway.domain.condition_tokens import TokenParser, tokens_of

SplitPath = Callable[[str, int | None], tuple[str, ...]]


def parse_text(text: str, split_path: SplitPath = attribute_path) -> Condition:
    """Return the condition that a string denotes. Raises ConditionError, with a column.

    `split_path` splits a path, and raises ConditionError for one that is not known.
    """
    return _Parser(text, split_path).parse()


class _Parser(TokenParser):
    """The rules of the grammar that differ from those of delivery conditions."""

    def __init__(self, text: str, split_path: SplitPath):
        super().__init__(tokens_of(text))
        self._split_path = split_path
        self._depth = 0

    def _is(self, word: str) -> bool:
        return self._next.kind == word

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
