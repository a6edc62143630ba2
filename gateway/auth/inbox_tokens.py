"""Inbox tokens: texts that clients have generated and users have registered, which open live connections.

A user registers one by `PUT /v2/channels/in_app/inbox/tokens`, with credentials that prove who the user is. It then
opens live connections to that user's inbox, and nothing else, until it is discarded, another user registers it, the
user is deleted, or the project no longer accepts the credential with which it was registered. It comes with the API
key of its project, because it names none itself.
"""

from gateway.channels import inbox
from gateway.domain.errors import ApiError, ErrorCode, api_error
from gateway.domain.guard import UserDeletedError
from gateway.domain.principal import Credentials, Project, UserPrincipal
from gateway.store.channel_tokens import ChannelTokenStore, connection_token_id
from gateway.store.directory import Directory


def is_inbox_token(credentials: Credentials) -> bool:
    """Return whether the token in some credentials is an inbox token and not a JWT."""
    return bool(credentials.token and inbox.is_token(credentials.token))


class InboxTokens:
    """Verifies inbox tokens."""

    def __init__(self, tokens: ChannelTokenStore, directory: Directory):
        self._tokens = tokens
        self._directory = directory

    async def user(self, project: Project, text: str) -> UserPrincipal:
        """Return the user who has registered an inbox token. Raises ApiError and StoreUnavailableError."""
        try:
            found = await self._tokens.find_credential(project.id, inbox.TOKEN, text)
        except UserDeletedError:
            raise _revoked("The token's user was deleted") from None
        if found is None:
            raise api_error(ErrorCode.TOKEN_IS_INCORRECT, "No user of the project has registered this inbox token")
        holder, token = found
        if token.discarded_ms:
            raise _revoked("The inbox token was discarded")
        credential = token.record.authenticated_by
        if credential not in project.valid_credentials:
            raise _revoked("The inbox token was registered with a credential that the project no longer accepts")
        user = await self._directory.by_id(project.id, holder.id)
        if user is None:
            raise _revoked("The token's user was deleted")
        # A revocation of all tokens of the user ends those that were registered before it.
        registered_at = token.registered_ms // 1000
        expires_at = project.valid_credentials[credential]
        return UserPrincipal(project, user, credential, expires_at, connection_token_id(text), registered_at)


def _revoked(message: str) -> ApiError:
    return api_error(ErrorCode.TOKEN_REVOKED, message)
