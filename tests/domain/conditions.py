"""A user, and conditions of any shape, for the tests of conditions."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from gateway.domain.condition import And, Condition, Equals, Not, Or

ADA: Mapping[str, Any] = {
    "external_id": "ada",
    "email": "a@b.c",
    "first_name": "Ada",
    "last_name": None,
    "phone_numbers": ["+1", "+2"],
    "custom_attributes": {
        "plan": "pro",
        "seats": 3,
        "trial": False,
        "tags": ["a", 1],
        "address": {"city": "Köln", "post-code": "50667"},
        "dotted.name": "x",
        "2fa": True,
        "or": 1,
    },
}

scalars = st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=5)
names = st.sampled_from(["plan", "a-b", "x.y", "or", "ü"])
paths = st.sampled_from([("email",), ("phone_numbers",)]) | names.map(
    lambda name: ("custom_attributes", *name.split("."))
)
equals = st.builds(Equals, paths, scalars)


def grown(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(And, several) | st.builds(Or, several)


positive: st.SearchStrategy[Condition] = st.recursive(equals, grown, max_leaves=5)
conditions: st.SearchStrategy[Condition] = st.recursive(
    equals, lambda inner: grown(inner) | st.builds(Not, inner), max_leaves=6
)
attributes = st.fixed_dictionaries(
    {
        "email": scalars,
        "phone_numbers": st.lists(scalars, max_size=2),
        "custom_attributes": st.dictionaries(names | st.just("x"), scalars | st.fixed_dictionaries({"y": scalars})),
    }
)
