"""Which providers send on which routes."""

from gateway.channels.registry import PROVIDERS
from gateway.channels.routes import MAIL, providers_of, routes_of_integration
from gateway.domain.delivery import Route


def test_every_provider_sends_on_a_route_of_its_channel() -> None:
    found = {route: providers_of(route) for route in Route}
    assert {each.name for providers in found.values() for each in providers} == {each.name for each in PROVIDERS}
    for route, providers in found.items():
        assert {each.channel for each in providers} <= {route.channel} or route.channel is None


def test_the_providers_of_mail_have_an_order() -> None:
    assert tuple(each.name for each in providers_of(Route.EMAIL)) == MAIL


def test_an_integration_has_the_routes_of_its_provider() -> None:
    assert routes_of_integration("apns") == (Route.APNS,)
    assert routes_of_integration("smtp") == (Route.EMAIL,)
    assert routes_of_integration("github") == ()
