"""Liquid with limits: parses and renders templates that tenants wrote.

Rendering runs in the process that sends, so a template must not be able to keep it busy or to fill its memory. Liquid
itself has no access to files, to the network or to Python objects. What it lacks are limits on work, so these are here:

- `include` and `render` do not exist, and filters that nobody needs for a message neither.
- A tag that is not closed, or is long, is refused before Liquid looks for its end, which takes cubic time.
- The ends of a range are numbers in the text, so no range is long.
- A loop is charged for its iterations times the length of its body (MAX_WORK).
- No filter takes or returns a value that is larger than MAX_SIZE characters or MAX_ITEMS items, and those whose result
  may be much larger than their arguments calculate its size first. So each step is short.
- The time of the processor is checked at each variable and each filter (MAX_SECONDS).

This module is imported only where a template is used: python-liquid is an extra, and its import takes 0.2 s.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions.primitive import IntegerLiteral, RangeLiteral
from liquid.builtin.tags.for_tag import ForNode, ForTag
from liquid.exceptions import LiquidError, LiquidSyntaxError, LiquidValueError, ResourceLimitError, UnknownFilterError
from liquid.expression import Expression
from liquid.output import LimitedStringIO

MAX_SOURCE = 32 * 1024
"""How many characters a template has."""

MAX_SIZE = 256 * 1024
"""How many characters a value of a filter has, and the largest text that is rendered."""

MAX_ITEMS = 1_000
"""How many items a value of a filter has, at all levels, and how many numbers a range."""

MAX_NUMBER = 10**18
MAX_STORED = 1024 * 1024
"""How many characters all variables of a template have together."""

MAX_WORK = 1_000_000
"""The characters of loop bodies that are run, each counted once an iteration."""

MAX_SECONDS = 0.05
"""The time of the processor for one message. A template of 1,000 characters takes 0.2 ms (measured)."""

MAX_TAG = 2_000
"""How many characters a tag or an output has, between its braces."""

_MAX_BRACKETS = 20
"""How many opening brackets a tag has. The library reads those within one another in quadratic time."""

_LOOP_OVERHEAD = 20
_MAX_SPACES = 100
"""How many characters of white space follow one another within a tag."""

_MAX_STRIPPED = 32 * 1024
"""How many characters `strip_html` takes: 20 ms."""
_MAX_SHOWN = 60
"""How many characters of a tag a message has."""

_MAX_DATE = 100
"""How many characters a date and its format have."""

_OPENING = re.compile(r"\{[{%]")
_RAW = re.compile(r"-?\s{0,100}(raw|doc)\s{0,100}-?")
_END_OF_RAW = re.compile(r"\{%-?\s{0,100}endraw\s{0,100}-?%\}")
_SPACES = re.compile(rf"\s{{{_MAX_SPACES}}}")

_REMOVED_TAGS = ("doc", "include", "render", "tablerow")
_REMOVED_FILTERS = (
    "base64_decode",
    "base64_encode",
    "base64_url_safe_decode",
    "base64_url_safe_encode",
    "escapejs",
)


class TemplateFaultError(Exception):
    """A template that cannot be parsed or rendered. `line` is that of the fault, 0 if it is not known."""

    def __init__(self, reason: str, line: int = 0):
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason = reason
        self.line = line


class TemplateLimitError(TemplateFaultError):
    """A template that needs more time or memory than it may have."""


class TemplateTimeError(TemplateLimitError):
    """A template that takes too much time."""


class Parsed:
    """A parsed template. `variables` are those that it reads and does not set, with the line of each."""

    def __init__(self, template: BoundTemplate, source: str):
        self._template = template
        self._source = source
        found = template.analyze(include_partials=False).globals
        uses = [(_line(source, each.span.index), tuple(each.segments)) for same in found.values() for each in same]
        self.variables = sorted(uses, key=lambda use: use[0])

    def render(self, variables: Mapping[str, Any], deadline: "Deadline") -> str:
        """Return the text. Raises TemplateFaultError."""
        context = _Context(self._template, globals=self._template.make_globals(variables))
        context.deadline = deadline
        buffer = LimitedStringIO(MAX_SIZE)
        try:
            self._template.render_with_context(context, buffer)
        except TemplateFaultError:
            raise
        except LiquidError as error:
            raise _fault(error, self._source) from None
        except Exception as error:
            raise TemplateFaultError(f"a filter failed: {type(error).__name__}") from None
        return buffer.getvalue()


class Deadline:
    """The time of the processor that the templates of one message may take together."""

    def __init__(self, seconds: float = MAX_SECONDS, clock: Callable[[], float] = time.thread_time):
        self._clock = clock
        self._end = clock() + seconds

    def check(self) -> None:
        """Raise TemplateLimitError if the time is over."""
        if self._clock() > self._end:
            raise TemplateTimeError("it takes too much time")


class _Context(RenderContext):
    """Variables while a template is rendered, with the limits."""

    __slots__ = ("_sizes", "_stored", "_work", "deadline")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._sizes: dict[str, int] = {}
        self._stored = 0
        self._work = 0
        self.deadline = Deadline()

    def get(self, path: list[object], **kwargs: Any) -> object:
        self.deadline.check()
        return super().get(path, **kwargs)

    def assign(self, key: str, val: Any) -> None:
        size = _size(val)
        self._stored += size - self._sizes.get(key, 0)
        self._sizes[key] = size
        if self._stored > MAX_STORED:
            raise TemplateLimitError(f"its variables have more than {MAX_STORED} characters")
        super().assign(key, val)

    def filter(self, name: str, token: Any) -> Callable[..., object]:
        function = super().filter(name, token)

        def limited(*values: Any, **named: Any) -> object:
            self.deadline.check()
            for value in (*values, *named.values()):
                _size(value)
            result = function(*values, **named)
            _size(result)
            return result

        return limited

    def charge(self, iterations: int, body: int) -> None:
        """Count the work of a loop. Raises TemplateLimitError."""
        self.deadline.check()
        self._work += iterations * (body + _LOOP_OVERHEAD)
        if self._work > MAX_WORK:
            raise TemplateLimitError("its loops run too often")


class _ForNode(ForNode):
    """A loop that is charged before it runs."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        assert isinstance(context, _Context)
        _size(self.expression.iterable.evaluate(context))
        _, length = self.expression.evaluate(context)
        context.charge(length, len(str(self.block)))
        return super().render_to_output(context, buffer)


class _ForTag(ForTag):
    node_class = _ForNode


class _Template(BoundTemplate):
    context_class = _Context


class _Environment(Environment):
    template_class = _Template
    output_stream_limit = MAX_SIZE
    loop_iteration_limit = MAX_WORK // _LOOP_OVERHEAD


def environment(*, html: bool) -> Environment:
    """Return the environment in which templates of a text are parsed. In HTML, values are escaped."""
    made = _Environment(autoescape=html)
    for name in _REMOVED_TAGS:
        del made.tags[name]
    for name in _REMOVED_FILTERS:
        del made.filters[name]
    made.add_tag(_ForTag)
    for name, check in _CHECKS.items():
        made.add_filter(name, _checked(check, made.filters[name]))
    made.add_filter("date", _date)
    return made


def parse(source: str, where: Environment) -> Parsed:
    """Return a parsed template. Raises TemplateFaultError."""
    if len(source) > MAX_SOURCE:
        raise TemplateFaultError(f"it must have at most {MAX_SOURCE} characters")
    _refuse_open_tags(source)
    try:
        template = where.from_string(source)
        _refuse_long_ranges(template, source)
        return Parsed(template, source)
    except LiquidError as error:
        raise _fault(error, source) from None
    except RecursionError:
        raise TemplateLimitError("it is nested too deeply") from None


def _refuse_open_tags(source: str) -> None:
    """Raise TemplateFaultError for a tag that has no end, or a long one, in linear time."""
    place = 0
    while (opening := _OPENING.search(source, place)) is not None:
        line, start = _line(source, opening.start()), opening.end()
        closing = "}}" if opening[0] == "{{" else "%}"
        end = source.find(closing, start)
        if end < 0:
            raise TemplateFaultError(f"'{opening[0]}' is not closed by '{closing}'", line)
        inner = source[start:end]
        if len(inner) > MAX_TAG or _SPACES.search(inner):
            raise TemplateFaultError(f"'{opening[0]}' has more than {MAX_TAG} characters, or many spaces", line)
        if inner.count("[") > _MAX_BRACKETS:
            raise TemplateFaultError(f"'{opening[0]}' has more than {_MAX_BRACKETS} opening brackets", line)
        if _OPENING.search(inner):
            raise TemplateFaultError(f"'{opening[0]}' is not closed before the next one opens", line)
        place = end + 2
        if opening[0] == "{%" and (raw := _RAW.fullmatch(inner)):
            if raw[1] == "doc":
                raise TemplateFaultError("unexpected tag 'doc'", line)
            ending = _END_OF_RAW.search(source, place)
            if ending is None:
                raise TemplateFaultError("'raw' is not closed by 'endraw'", line)
            place = ending.end()


def _refuse_long_ranges(template: BoundTemplate, source: str) -> None:
    """Raise TemplateFaultError for a range whose ends are not numbers in the text."""
    context = RenderContext(template)

    def expressions(nodes: Iterable[Node]) -> Iterable[Expression]:
        for node in nodes:
            yield from node.expressions()
            yield from expressions(node.children(context, include_partials=False))

    def check(found: Iterable[Expression]) -> None:
        for each in found:
            if isinstance(each, RangeLiteral):
                start, stop, line = each.start, each.stop, _line(source, each.token.start_index)
                if not (isinstance(start, IntegerLiteral) and isinstance(stop, IntegerLiteral)):
                    raise TemplateFaultError("the ends of a range must be numbers", line)
                if stop.value - start.value >= MAX_ITEMS:
                    raise TemplateFaultError(f"a range has at most {MAX_ITEMS} numbers", line)
            check(each.children())

    check(expressions(template.nodes))


def _size(value: Any) -> int:
    """Return how many characters a value has, about. Raises TemplateLimitError for one that is too large."""
    if isinstance(value, str):
        if len(value) > MAX_SIZE:
            raise TemplateLimitError(f"a value has more than {MAX_SIZE} characters")
        return len(value)
    if isinstance(value, int | float):
        if not abs(value) <= MAX_NUMBER:
            raise TemplateLimitError(f"a number is larger than {MAX_NUMBER}")
        return 20
    return _size_of_all([value]) if isinstance(value, list | tuple | dict | range) else 20


def _size_of_all(waiting: list[Any]) -> int:
    total = items = 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, list | tuple | dict | range):
            items += len(value)
            if items > MAX_ITEMS:
                raise TemplateLimitError(f"a value has more than {MAX_ITEMS} items")
            waiting.extend(value.values() if isinstance(value, dict) else value)
        else:
            total += _size(value)
        if total > MAX_SIZE:
            raise TemplateLimitError(f"a value has more than {MAX_SIZE} characters")
    return total + 20 * items


def _checked(check: Callable[..., None], function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that checks its arguments first."""

    def checked(*values: Any, **named: Any) -> Any:
        check(*values)
        return function(*values, **named)

    if getattr(function, "with_environment", False):
        checked.with_environment = True  # type: ignore[attr-defined] # how python-liquid marks filters
    return checked


def _check_replace(value: object, old: object = "", new: object = "", *_: object) -> None:
    text = str(value)
    if len(text) + (text.count(str(old)) if str(old) else len(text) + 1) * len(str(new)) > MAX_SIZE:
        raise TemplateLimitError(f"a value has more than {MAX_SIZE} characters")


def _check_join(value: object, separator: object = " ", *_: object) -> None:
    if isinstance(value, list | tuple | range) and len(value) * len(str(separator)) > MAX_SIZE:
        raise TemplateLimitError(f"a value has more than {MAX_SIZE} characters")


def _check_round(_value: object, digits: object = 0, *_: object) -> None:
    if isinstance(digits, bool) or not isinstance(digits, int) or not 0 <= digits <= 15:
        raise TemplateFaultError("`round` takes a number of digits from 0 to 15")


def _check_strip(value: object, *_: object) -> None:
    if len(str(value)) > _MAX_STRIPPED:
        raise TemplateLimitError(f"`strip_html` takes at most {_MAX_STRIPPED} characters")


_CHECKS: Mapping[str, Callable[..., None]] = {
    "strip_html": _check_strip,
    "replace": _check_replace,
    "join": _check_join,
    "round": _check_round,
}


def _date(value: object, form: object = "") -> object:
    """Return a time in a format of `strftime`, in UTC. A value that is no time is returned unchanged.

    python-liquid's own filter uses the time zone of the machine, and takes unbounded time for some texts.
    """
    text, pattern = str(value), str(form)
    if not pattern or max(len(text), len(pattern)) > _MAX_DATE:
        return value
    try:
        if text == "now":
            at = datetime.now(UTC)
        elif isinstance(value, int | float) or text.isdigit():
            at = datetime.fromtimestamp(float(text), UTC)
        else:
            at = datetime.fromisoformat(text)
        return at.strftime(pattern)
    except (ValueError, OverflowError, OSError):
        return value


def _line(source: str, index: int) -> int:
    return source.count("\n", 0, index) + 1 if 0 <= index <= len(source) else 0


def _fault(error: LiquidError, source: str) -> TemplateFaultError:
    """Return why a template failed, without the values that it was rendered with: with its own text instead."""
    index = error.token.start_index if error.token is not None else -1
    line = _line(source, index)
    if isinstance(error, ResourceLimitError):
        return TemplateLimitError(str(error.message), line)
    if isinstance(error.__cause__, RecursionError):
        return TemplateLimitError("it is nested too deeply", line)
    if isinstance(error, LiquidSyntaxError | UnknownFilterError) and not isinstance(error, LiquidValueError):
        reason = " ".join(str(error.message).split())[:200]
        line = line or source.count("\n") + 1  # a block that is still open at the end
    else:
        reason = "a filter gets a value or an argument that it cannot use"
    return TemplateFaultError(f"{_tag_at(source, index)}{reason}", line)


def _tag_at(source: str, index: int) -> str:
    """Return the tag or output that has a place in the text, with a colon, "" if there is none."""
    start = max(source.rfind("{{", 0, index + 2), source.rfind("{%", 0, index + 2))
    if start < 0:
        return ""
    ends = [end for end in (source.find("}}", start), source.find("%}", start)) if end >= 0]
    return f"{' '.join(source[start : min(ends) + 2].split())[:_MAX_SHOWN]}: " if ends else ""
