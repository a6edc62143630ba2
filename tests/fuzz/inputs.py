"""Strategies for the inputs of every area. An input is JSON, so that the corpus can store it. Its bytes are latin-1."""

import re
from typing import Any, TypeAlias

from hypothesis import strategies as st

Input: TypeAlias = dict[str, Any]

CONTROL = re.compile("[\0-\x08\x0a-\x1f\x7f]")
"""Characters that a header value must not contain: a request with one of them is invalid."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)

unusual_texts = st.one_of(
    st.sampled_from(
        (
            *("", " ", "*", "%00", "%", "null", "0", "-1", "é", "ÿ", "🙈", "١", "\u2028", "\ufeff", "\0", "\n", "a:b"),
            *("\ud800", "a" * 256, "a" * 5000, "../..", "external_id:", "email:x", "e@x", "true", "1e400", "{}", '"'),
        )
    ),
    st.text(max_size=40),
)


def text_of(data: bytes) -> str:
    """Return bytes as the text that an input contains for them."""
    return data.decode("latin-1")


def bytes_of(text: str) -> bytes:
    """Return a text in UTF-8, with lone surrogates as some clients send them."""
    return text.encode("utf-8", "surrogatepass")
