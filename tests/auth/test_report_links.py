"""Links at which a provider reports what became of a message."""

import pytest

from gateway.auth.install_state import InstallStates
from gateway.auth.report_links import PATH, Reported, ReportLinks
from gateway.domain.ids import ProjectId, UserId

LINKS = ReportLinks("secret", "https://inbox.example.com/gateway")
ABOUT = Reported(ProjectId("1"), UserId("e731c716c7f3"), "0198c0de-0000-7000-8000-000000000001")


def test_a_link_names_what_it_is_about_and_the_gateway_alone_can_make_it() -> None:
    address, _, token = LINKS.url(*ABOUT).partition(PATH)
    assert address == "https://inbox.example.com/gateway"
    assert LINKS.read(token) == ABOUT
    assert ReportLinks("other").read(token) is None


@pytest.mark.parametrize("token", ["", "x", "a.b.c", InstallStates("secret").sign(ProjectId("1"), UserId("2"), "A", 1)])
def test_another_token_is_about_nothing(token: str) -> None:
    assert LINKS.read(token) is None


@pytest.mark.parametrize("url", ["", "http://inbox.example.com", "https://localhost", "https://my_inbox.example.com"])
def test_there_is_no_link_to_a_gateway_that_a_provider_cannot_reach(url: str) -> None:
    assert ReportLinks("secret", url).url(*ABOUT) == ""
