"""REST input: bodies and queries of every operation, valid ones with mutations, and random data."""

import json
import re
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from gateway.api.core import call
from gateway.api.operations import OPERATIONS
from tests.fuzz.inputs import Input, bytes_of, json_values, text_of, unusual_texts
from tests.fuzz.target import USER, FuzzTarget
from tests.servers import ADMIN, user_headers

LEFT_OUT = re.compile(r".* /admin/api/(audit/export|logout|sessions.*|projects/{project_id}.*)")
"""Operations that respond in chunks, end the session of the owner, or change the secret that others are called with."""

ROWS = {
    name: row
    for row in OPERATIONS
    if row.caller is not call.PUBLIC
    and not row.streams  # some have no end
    and not LEFT_OUT.fullmatch(name := f"{row.method} {row.path}")
}
NOTIFICATION = "{notification}"
"""Replaced by the id of an existing notification."""

_PATH_PARAMETER = re.compile(r"{[^}]*}")
_names = st.sampled_from(
    sorted({name for row in ROWS.values() if row.reads_body for name in row.inputs.body.param.fields})
)
_numbers = st.sampled_from([0, -1, 2**31, 2**53, 2**63, 2**64, 10**30, 1e308, -0.0, 0.5])
_values = json_values | unusual_texts | _numbers | st.dictionaries(_names, json_values | unusual_texts, max_size=3)


def _places(value: Any) -> list[tuple[Any, ...]]:
    """Return the path of every value within a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *way) for key, within in inner for way in _places(within))]


def _changed(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    """Return a value in which the value at a path is replaced by `new`, or removed if that is `...`."""
    if not way:
        return new
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    kept = [(key, _changed(within, way[1:], new) if key == way[0] else within) for key, within in pairs]
    kept = [(key, within) for key, within in kept if within is not ...]
    return dict(kept) if isinstance(value, dict) else [within for _, within in kept]


@st.composite
def _bodies(draw: st.DrawFn, name: str) -> bytes:
    """Generate the example of an operation with some values replaced, removed or added, or any bytes."""
    row = ROWS[name]
    if not row.reads_body or draw(st.integers(0, 5)) == 0:
        return draw(st.binary(max_size=200) | _values.map(lambda value: json.dumps(value).encode()))
    body: Any = row.inputs.body.wrapped(row.inputs.body.example)
    for _ in range(draw(st.integers(0, 4))):
        way = draw(st.sampled_from(_places(body)))
        within = body
        for key in way:
            within = within[key]
        if isinstance(within, dict) and draw(st.booleans()):
            known = st.sampled_from(sorted(row.inputs.body.param.fields)) if row.inputs.body.param.fields else _names
            new: Any = {**within, draw(known | _names | unusual_texts): draw(_values)}
        elif isinstance(within, list) and draw(st.booleans()):
            new = within * draw(st.integers(0, 3)) + draw(st.lists(_values, max_size=2))
        else:
            new = draw(_values | st.just(...))
        changed = _changed(body, way, new)
        body = {} if changed is ... else changed
    text = json.dumps(body, ensure_ascii=draw(st.booleans()))
    return bytes_of(text)


_queries = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("page", "per_page", "read", "seen", "archived", "category", "category[]", "categories", "topic"),
                *("topics", "since", "status", "month", "cursor", "limit", "page[size]", "starting_after"),
            )
        )
        | st.text(max_size=8),
        unusual_texts | st.sampled_from(["1", "0", "true", "x,y", "9" * 30, "1,2,,3", "2026-11"]),
    ),
    max_size=4,
)


@st.composite
def _inputs(draw: st.DrawFn) -> Input:
    name = draw(st.sampled_from(sorted(ROWS)))
    fillers = [NOTIFICATION, USER, f"external_id:{USER}", "default", "00000000-0000-0000-0000-000000000000", "orders"]
    count = len(_PATH_PARAMETER.findall(ROWS[name].path))
    return {
        "row": name,
        "path": [draw(st.sampled_from(fillers) | st.sampled_from(fillers) | unusual_texts) for _ in range(count)],
        "query": [list(pair) for pair in draw(_queries)],
        "body": text_of(draw(_bodies(name))),
        "headers": draw(
            st.just({})
            | st.fixed_dictionaries(
                {},
                optional={
                    "Content-Type": st.sampled_from(["application/json", "text/plain", "application/json; charset=x"]),
                    "Idempotency-Key": st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=300),
                    "X-MAGICBELL-CLIENT-ID": st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=300),
                    "Content-Encoding": st.sampled_from(["gzip", "identity", "x"]),
                },
            )
        ),
    }


inputs = _inputs()


def check(target: FuzzTarget, tried: Input) -> None:
    """Check that every response is a success or an error that names the problem, and never a 500."""
    row = ROWS[tried["row"]]
    parts = iter(tried["path"])

    def filled(_: "re.Match[str]") -> str:
        return quote(bytes_of(next(parts).replace(NOTIFICATION, target.notification)), safe="*:")

    path = _PATH_PARAMETER.sub(filled, row.path)
    query = "&".join(f"{quote(bytes_of(name))}={quote(bytes_of(value))}" for name, value in tried["query"])
    credentials = {
        call.USER: user_headers(USER),
        call.PROJECT: ADMIN,
        call.WORKSPACE: target.workspace,
        call.ADMIN: target.owner,
    }
    headers = {**tried["headers"], **credentials[row.caller]}
    response = target.request(row.method, f"{path}?{query}", headers, tried["body"].encode("latin-1"))
    if response.is_clear() and response.body:
        json.loads(response.body)
