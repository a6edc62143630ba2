"""Inbox tokens: what they prove, and when they no longer do."""

import time

import pytest

from gateway.auth.inbox_tokens import InboxTokens, is_inbox_token
from gateway.channels import inbox
from gateway.domain.errors import ApiError, ErrorCode
from gateway.domain.principal import Credentials, Identity, Project, User
from gateway.domain.signing import NO_PROOF, secret_id
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.deletion import UserDeletion
from gateway.store.directory import Directory
from tests.store.conftest import InspectedClient

TEXT = "t" * 64


@pytest.fixture
def directory(client: InspectedClient) -> Directory:
    return Directory(client, time.monotonic)


@pytest.fixture
def tokens(client: InspectedClient, directory: Directory) -> InboxTokens:
    return InboxTokens(ChannelTokenStore(client), directory)


async def registered(client: InspectedClient, directory: Directory, project: Project, proof: str) -> User:
    user = await directory.resolve(project.id, Identity("ada"))
    await ChannelTokenStore(client).register(user, inbox.TOKEN, {"token": TEXT}, 5000, authenticated_by=proof)
    return user


async def refusal(tokens: InboxTokens, project: Project) -> ErrorCode | None:
    with pytest.raises(ApiError) as refused:
        await tokens.user(project, TEXT)
    return refused.value.code


async def test_a_registered_token_names_its_user_and_keeps_the_credential_of_its_registration(
    client: InspectedClient, directory: Directory, tokens: InboxTokens, project: Project
) -> None:
    proof = secret_id(project.secrets[0])
    user = await registered(client, directory, project, proof)
    principal = await tokens.user(project, TEXT)
    assert (principal.user, principal.authenticated_by) == (user, proof)
    assert (principal.token_issued_at, principal.token_expires_at) == (5, None)
    assert TEXT not in principal.token_id


async def test_a_token_that_was_registered_without_proof_ends_when_the_project_demands_it(
    client: InspectedClient, directory: Directory, tokens: InboxTokens, project: Project
) -> None:
    await registered(client, directory, project, NO_PROOF)
    assert await refusal(tokens, project) is ErrorCode.TOKEN_REVOKED


async def test_the_token_of_a_deleted_user_is_refused_at_each_step_of_the_deletion(
    client: InspectedClient, directory: Directory, tokens: InboxTokens, project: Project
) -> None:
    user = await registered(client, directory, project, secret_id(project.secrets[0]))
    await directory.forget(user)
    assert await refusal(tokens, project) is ErrorCode.TOKEN_REVOKED
    await UserDeletion(client).delete_many([user])
    assert await refusal(tokens, project) is ErrorCode.TOKEN_REVOKED
    await UserDeletion(client).delete(user)
    assert await refusal(tokens, project) is ErrorCode.TOKEN_REVOKED


@pytest.mark.parametrize(
    ("credentials", "is_one"),
    [
        (Credentials(api_key="key", token=TEXT), True),
        (Credentials(token=TEXT), True),
        (Credentials(api_key="key"), False),
        (Credentials(api_key="key", token=TEXT + ".a.b"), False),
        (Credentials(api_key="key", token="short"), False),
    ],
)
def test_an_inbox_token_is_told_from_a_jwt_by_its_form(credentials: Credentials, is_one: bool) -> None:
    assert is_inbox_token(credentials) is is_one
