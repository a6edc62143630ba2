"""The channels and integrations that this version has. Adding one touches its file and a line here."""

from gateway.channels import apns, expo, fcm, inbox, slack, teams, web_push
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
