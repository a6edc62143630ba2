"""The documentation site is built without a fault."""

import re

import pytest

from tests import documentation


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    documentation.build()


def test_every_page_is_in_the_navigation_every_link_leads_somewhere_and_no_page_loads_from_another_host() -> None:
    assert documentation.faults() == []


def test_the_index_for_language_models_names_every_page_with_a_sentence() -> None:
    lines = re.findall(r"^- \[(.+)\]\((.+)\): (.*)$", (documentation.SITE / "llms.txt").read_text(), re.MULTILINE)
    assert len(lines) == sum(len(pages) for _, pages in documentation.navigation())
    for _, address, sentence in lines:
        assert (documentation.SITE / address).is_file()
        assert sentence, address
