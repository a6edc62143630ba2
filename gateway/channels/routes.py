"""Which providers send on which routes."""

from collections.abc import Sequence

from gateway.channels.provider import Provider
from gateway.channels.registry import PROVIDERS
from gateway.domain.delivery import Route

MAIL = ("ping_email", "ses", "sendgrid", "mailgun", "smtp")
"""The providers of mail in their order: the first one that a project has configured sends."""

WEBHOOK = "webhook"
"""The name of the provider that sends the webhooks of projects."""


def providers_of(route: Route, providers: Sequence[Provider] = PROVIDERS) -> tuple[Provider, ...]:
    """Return the providers that can send on a route, those to be preferred first."""
    if route.token_kind:
        return tuple(each for each in providers if route.token_kind in {kind.path for kind in each.tokens})
    if route is Route.WEBHOOKS:
        return tuple(each for each in providers if each.name == WEBHOOK)
    found = [each for each in providers if each.channel is route.channel and not each.tokens and each.name != WEBHOOK]
    return tuple(sorted(found, key=lambda each: MAIL.index(each.name) if each.name in MAIL else len(MAIL)))


def routes_of_integration(name: str, providers: Sequence[Provider] = PROVIDERS) -> tuple[Route, ...]:
    """Return the routes on which a provider sends by the integration of this name."""
    by = {each.name for each in providers if each.integration is not None and each.integration.name == name}
    return tuple(route for route in Route if by.intersection(each.name for each in providers_of(route, providers)))
