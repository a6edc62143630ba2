"""Request ids: generated ones are unique, and those of a proxy are used if they are valid."""

import pytest

from gateway.domain.request_id import RequestIds


def test_request_ids_are_unique() -> None:
    ids = RequestIds("a1b2")
    names = [ids.next() for _ in range(300)]
    assert len(set(names)) == 300
    assert all(name.startswith("a1b2-") for name in names)


@pytest.mark.parametrize("name", ["x", "6f1c-7:2/=+._", "a" * 128])
def test_a_valid_id_from_a_proxy_is_used_unchanged(name: str) -> None:
    assert RequestIds("a").accept(name) == name


@pytest.mark.parametrize("name", ["", " ", "a b", 'a"b', "a\nb", "ä", "a" * 129])
def test_an_id_that_is_not_valid_in_a_header_or_log_line_is_replaced(name: str) -> None:
    assert RequestIds("a").accept(name) == "a-1"
