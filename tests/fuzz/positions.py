"""Positions by every way: a client with a valid one resumes. Any other causes a reset, or a 422 for pulled events."""

import json
import re
from urllib.parse import quote

from hypothesis import strategies as st

from tests.fuzz.inputs import CONTROL, Input, bytes_of, text_of, unusual_texts
from tests.fuzz.target import EVENTS, FuzzTarget

EPOCH = "{epoch}"
"""Replaced by the epoch of the log, which is unknown when inputs are generated."""

_POSITION = re.compile(r"([0-9A-Za-z_-]{1,32})\.(0|[1-9][0-9]{0,15})")
"""The pattern of the documentation."""

_digits = st.integers(0, 10**18).map(str) | st.from_regex(r"[-+0]?[0-9_]{0,40}", fullmatch=True)
_nearly = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "", " ", "\0", "x"]),
    st.sampled_from([EPOCH] * 4 + ["", "00000000", "a" * 32, "a" * 33, "é", "{epoch}a"]),
    st.sampled_from(["."] * 6 + ["", "..", "．", ":"]),
    st.integers(0, EVENTS + 2).map(str) | _digits | st.sampled_from(["1 ", "1\n", "٣", "1.0", "1e0", "0x1", "\ud800"]),
)

inputs: st.SearchStrategy[Input] = st.fixed_dictionaries(
    {"way": st.sampled_from(["query", "header", "message", "pull"]), "since": _nearly | unusual_texts}
)

_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


def check(target: FuzzTarget, tried: Input) -> None:
    """Check that a position of the log resumes, that no position starts now, and that any other resets."""
    since = tried["since"].replace(EPOCH, target.epoch)
    match tried["way"]:
        case "pull":
            _check_pull(target, since)
        case "message":
            message = json.dumps({"type": "auth", **target.positioned, "since": since}).encode()
            messages = target.send_message(message)
            if _HALF_A_CHARACTER.search(since):
                assert [response["type"] for response in messages] == ["error"], messages
            else:
                _check_stream(target, since, messages)
        case "header" if not CONTROL.search(since):
            given = {"Last-Event-ID": text_of(bytes_of(since))}
            _check_stream(target, since.strip(" \t"), _streamed(target, since.strip(" \t"), "", given))
        case _:
            _check_stream(target, since, _streamed(target, since, f"?since={quote(bytes_of(since))}", {}))


def _offset(target: FuzzTarget, since: str) -> int | None:
    """Return the offset after which a text resumes, None if it is not a position of the log."""
    match = _POSITION.fullmatch(since)
    return int(match[2]) if match and match[1] == target.epoch and int(match[2]) <= EVENTS else None


def _streamed(target: FuzzTarget, since: str, query: str, headers: dict[str, str]) -> list[Input]:
    offset = _offset(target, since) if since else EVENTS
    expected = 2 if offset is None else 1 + EVENTS - offset
    response, messages = target.stream(f"/realtime/sse{query}", {**target.positioned_headers, **headers}, expected)
    assert response.status == 200, response
    return messages


def _check_stream(target: FuzzTarget, since: str, messages: list[Input]) -> None:
    ready, *rest = messages
    assert ready["type"] == "ready", messages
    offset = _offset(target, since) if since else EVENTS
    if offset is None:
        assert ready["position"] == f"{target.epoch}.{EVENTS}", messages
        assert [message["type"] for message in rest] == ["reset"], messages
    else:
        assert ready["position"] == f"{target.epoch}.{offset}", messages
        missed = [f"{target.epoch}.{number}" for number in range(offset + 1, EVENTS + 1)]
        assert [message["position"] for message in rest] == missed, messages


def _check_pull(target: FuzzTarget, since: str) -> None:
    path = f"/realtime/events?since={quote(bytes_of(since))}"
    response = target.request("GET", path, target.positioned_headers)
    if since and not _POSITION.fullmatch(since):
        assert response.status == 422, response
        return
    assert response.is_clear(), response
    page, offset = json.loads(response.body), _offset(target, since) if since else EVENTS
    assert bool(page["reset"]) == (offset is None), page
    assert len(page["events"]) == (0 if offset is None else EVENTS - offset), page
    assert page["position"] == f"{target.epoch}.{EVENTS}", page
