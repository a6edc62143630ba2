"""Names of requests: our own are unique, and a proxy's are taken only where a log line can hold them."""

import pytest

from gateway.domain.request_id import RequestIds


def test_every_request_has_a_name_of_its_own() -> None:
    ids = RequestIds("a1b2")
    names = [ids.next() for _ in range(300)]
    assert len(set(names)) == 300
    assert all(name.startswith("a1b2-") for name in names)


@pytest.mark.parametrize("name", ["x", "6f1c-7:2/=+._", "a" * 128])
def test_a_proxys_name_is_taken_as_it_is(name: str) -> None:
    assert RequestIds("a").accept(name) == name


@pytest.mark.parametrize("name", ["", " ", "a b", 'a"b', "a\nb", "ä", "a" * 129])
def test_what_could_not_stand_in_a_header_or_a_log_line_is_replaced(name: str) -> None:
    assert RequestIds("a").accept(name) == "a-1"
