"""Pages as v2 defines them."""

from typing import Any

import pytest

from gateway.api.core.paging import DEFAULT_SIZE, PAGING, links, read_page
from gateway.api.core.query import read_query
from gateway.domain.errors import ApiError

ID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"


def page(*fields: tuple[str, str]) -> Any:
    """Return the page that a query selects."""
    return read_page(read_query(fields, PAGING))


def test_without_parameters_the_first_page_of_the_default_size_is_selected() -> None:
    assert page() == (DEFAULT_SIZE, None, None)


@pytest.mark.parametrize(
    ("newer", "ours"), [("limit", "page[size]"), ("starting_after", "page[after]"), ("ending_before", "page[before]")]
)
def test_the_newer_names_select_the_same_page(newer: str, ours: str) -> None:
    value = "7" if newer == "limit" else ID.upper()
    assert page((newer, value)) == page((ours, value)) != page()


def test_a_page_cannot_be_after_one_entry_and_before_another() -> None:
    with pytest.raises(ApiError, match=r"'page\[before\]' must not come with"):
        page(("page[after]", ID), ("ending_before", ID))


def test_links_keep_the_size_and_lead_only_to_pages_with_entries() -> None:
    assert links("/v2/jwt/user/external_id:a b", [], 5, None, ID) == {
        "first": "/v2/jwt/user/external_id%3Aa%20b?page%5Bsize%5D=5",
        "next": f"/v2/jwt/user/external_id%3Aa%20b?page%5Bsize%5D=5&page%5Bafter%5D={ID}",
        "prev": None,
    }


def test_links_keep_the_filters_and_the_names_of_the_query() -> None:
    fields = [("type", "a b"), ("limit", "7"), ("starting_after", ID), ("type", "c")]
    assert links("/v2/events", fields, 7, ID, ID) == {
        "first": "/v2/events?type=a+b&type=c&limit=7",
        "next": f"/v2/events?type=a+b&type=c&limit=7&starting_after={ID}",
        "prev": f"/v2/events?type=a+b&type=c&limit=7&ending_before={ID}",
    }
    assert links("/", [("limit", "7"), ("page[size]", "8")], 8, None, None)["first"] == "/?page%5Bsize%5D=8"
