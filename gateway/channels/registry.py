"""The channels and integrations that this version has. Adding one touches its file and a line here."""

from gateway.channels.token_kind import TokenKind

TOKEN_KINDS: tuple[TokenKind, ...] = ()
