"""Links to unsubscribe are read as they were made, and nothing else is a link."""

import pytest

from gateway.auth.unsubscribe_links import UnsubscribeLinks, Unsubscription
from gateway.domain.ids import ProjectId, UserId

LINKS = UnsubscribeLinks("key", "https://inbox.example.com/base")
SHOP, ADA = ProjectId("1"), UserId("0198c0de-0000-7000-8000-000000000001")


def token_of(links: UnsubscribeLinks, category: str) -> str:
    url = links.url(SHOP, ADA, category)
    assert url.startswith("https://inbox.example.com/base/unsubscribe/")
    assert url.isascii()
    return url.rpartition("/")[2]


@pytest.mark.parametrize("category", ["", "orders", "ä/ö?#%", "x" * 255])
def test_a_link_names_a_project_a_user_and_a_category(category: str) -> None:
    assert LINKS.read(token_of(LINKS, category)) == Unsubscription(SHOP, ADA, category)
    assert token_of(LINKS, category) == token_of(LINKS, category)
    assert len(LINKS.url(SHOP, ADA, category)) < 900, "it fits into a line of a header"


def test_only_links_that_this_gateway_has_made_are_read() -> None:
    token = token_of(LINKS, "orders")
    changed = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    for text in (
        "",
        "x",
        "é",
        "=",
        "A" * 5000,
        changed,
        token_of(UnsubscribeLinks("other", LINKS._public_url), "orders"),
    ):
        assert LINKS.read(text) is None


def test_without_a_public_url_there_is_no_link() -> None:
    assert UnsubscribeLinks("key").url(SHOP, ADA, "orders") == ""
