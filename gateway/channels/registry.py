"""The channels and integrations that this version has. Adding one touches its file and a line here."""

from gateway.channels import (
    apns,
    apns_push,
    aws_sns,
    eventsource,
    expo,
    expo_push,
    fcm,
    fcm_push,
    github,
    inbox,
    mailgun,
    ping_email,
    sendgrid,
    ses,
    slack,
    slack_sending,
    smtp,
    stripe,
    teams,
    templates,
    twilio,
    web_push,
)
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.provider import Provider
from gateway.channels.token_kind import TokenKind

TOKEN_KINDS: tuple[TokenKind, ...] = (
    apns.TOKEN,
    expo.TOKEN,
    fcm.TOKEN,
    slack.TOKEN,
    teams.TOKEN,
    web_push.TOKEN,
    web_push.SAFARI_TOKEN,
    inbox.TOKEN,
)

INTEGRATION_KINDS: tuple[IntegrationKind, ...] = (
    apns.INTEGRATION,
    aws_sns.INTEGRATION,
    eventsource.INTEGRATION,
    expo.INTEGRATION,
    fcm.INTEGRATION,
    github.INTEGRATION,
    inbox.INTEGRATION,
    mailgun.INTEGRATION,
    ping_email.INTEGRATION,
    sendgrid.INTEGRATION,
    ses.INTEGRATION,
    slack.INTEGRATION,
    smtp.INTEGRATION,
    stripe.INTEGRATION,
    templates.INTEGRATION,
    twilio.INTEGRATION,
    web_push.INTEGRATION,
)

PROVIDERS: tuple[Provider, ...] = (
    apns_push.PROVIDER,
    expo_push.PROVIDER,
    fcm_push.PROVIDER,
    slack_sending.PROVIDER,
    teams.PROVIDER,
    twilio.PROVIDER,
    web_push.PROVIDER,
    ses.PROVIDER,
    sendgrid.PROVIDER,
    mailgun.PROVIDER,
    smtp.PROVIDER,
    ping_email.PROVIDER,
)
"""The adapters. Where a project has configured several for one channel and the user has no token that tells them apart,
as for mail, the first one sends."""
