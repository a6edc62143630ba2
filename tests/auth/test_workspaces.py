"""Workspace tokens, and the workspaces that they may administer."""

import time
from typing import Any

import jwt
import pytest

from gateway.auth.workspaces import WorkspaceAuthenticator, WorkspaceTokens
from gateway.domain.errors import ApiError, ErrorCode
from gateway.domain.ids import WorkspaceId
from gateway.domain.principal import DEFAULT_WORKSPACE, Credentials, Workspace
from gateway.store.projects import ProjectStore
from gateway.store.workspaces import WorkspaceStore
from tests.store.conftest import InspectedClient

SECRET_KEY = "the gateway's secret key"


class Clock:
    """A clock that tests move."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> WorkspaceTokens:
    return WorkspaceTokens(SECRET_KEY, clock)


@pytest.fixture
async def workspace(client: InspectedClient, projects: ProjectStore) -> Workspace:
    """A workspace of its own."""
    await projects.prepare()
    return await WorkspaceStore(client).create("A team")


def refusal_of(tokens: WorkspaceTokens, text: str) -> tuple[ErrorCode | None, str]:
    with pytest.raises(ApiError) as refused:
        tokens.read(text)
    (problem,) = refused.value.problems
    assert problem.suggestion.startswith("`inbox-gateway token --workspace`")
    return refused.value.code, problem.message


def test_a_token_is_for_its_workspace_until_it_expires(tokens: WorkspaceTokens, clock: Clock) -> None:
    text = tokens.sign(WorkspaceId("5"), 60)
    claims = tokens.read(text)
    assert (claims.workspace_id, claims.expires_at) == ("5", 1_000_060)
    assert claims.token_id != tokens.read(tokens.sign(WorkspaceId("5"), 60)).token_id
    clock.now += 60
    assert refusal_of(tokens, text)[0] is ErrorCode.TOKEN_EXPIRED


def test_a_token_of_another_secret_key_has_an_error_of_its_own(tokens: WorkspaceTokens) -> None:
    other = WorkspaceTokens("another secret key", lambda: 1_000_000.0).sign(WorkspaceId("5"), 60)
    assert refusal_of(tokens, other) == (
        ErrorCode.TOKEN_IS_INCORRECT,
        "The token was signed with another INBOX_SECRET_KEY",
    )
    user_token = jwt.encode({"api_key": "key"}, SECRET_KEY * 2)
    assert refusal_of(tokens, user_token) == (ErrorCode.TOKEN_IS_INCORRECT, "This is no workspace token")
    assert refusal_of(tokens, "text") == (ErrorCode.TOKEN_IS_INCORRECT, "The token is incorrect")


def test_a_forged_token_is_incorrect(tokens: WorkspaceTokens) -> None:
    head, claims, _ = tokens.sign(WorkspaceId("5"), 60).split(".")
    assert refusal_of(tokens, f"{head}.{claims}.AAAA")[0] is ErrorCode.TOKEN_IS_INCORRECT


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"workspace_id": 5, "jti": "x", "iat": 1, "exp": 2_000_000},
        {"workspace_id": "5", "jti": "x", "iat": 1, "exp": 2**60},
        {"workspace_id": "\ud800", "jti": "x", "iat": 1, "exp": 2_000_000},
    ],
)
def test_claims_that_are_not_valid_are_incorrect(tokens: WorkspaceTokens, claims: dict[str, Any]) -> None:
    text = jwt.encode(claims, tokens._key, "HS256", {"kid": tokens._key_id})
    assert refusal_of(tokens, text) == (ErrorCode.TOKEN_IS_INCORRECT, "The token is incorrect")


async def test_a_workspace_is_opened_by_its_token_until_that_is_revoked(
    client: InspectedClient, workspace: Workspace
) -> None:
    tokens, store = WorkspaceTokens(SECRET_KEY), WorkspaceStore(client)
    authenticator = WorkspaceAuthenticator(tokens, store)
    text = tokens.sign(workspace.id, 60)
    assert await authenticator.workspace(Credentials(token=text), workspace.id) == workspace
    claims = tokens.read(text)
    await store.revoke_token(claims.token_id, int(claims.expires_at - time.time()))
    with pytest.raises(ApiError) as refused:
        await authenticator.workspace(Credentials(token=text), workspace.id)
    assert refused.value.code is ErrorCode.TOKEN_REVOKED


async def test_the_default_workspace_has_a_name(client: InspectedClient, projects: ProjectStore) -> None:
    await projects.prepare()
    tokens = WorkspaceTokens(SECRET_KEY)
    authenticator = WorkspaceAuthenticator(tokens, WorkspaceStore(client))
    opened = await authenticator.workspace(Credentials(token=tokens.sign(DEFAULT_WORKSPACE, 60)), "default")
    assert opened.id == DEFAULT_WORKSPACE


@pytest.mark.parametrize(
    ("workspace_id", "wanted", "code"),
    [
        (None, "default", ErrorCode.FORBIDDEN),
        ("1", "2", ErrorCode.FORBIDDEN),
        ("987654", "987654", ErrorCode.NOT_FOUND),
    ],
)
async def test_other_tokens_open_no_workspace(
    client: InspectedClient, workspace: Workspace, workspace_id: str | None, wanted: str, code: ErrorCode
) -> None:
    tokens = WorkspaceTokens(SECRET_KEY)
    text = tokens.sign(WorkspaceId(workspace_id), 60) if workspace_id else None
    with pytest.raises(ApiError) as refused:
        await WorkspaceAuthenticator(tokens, WorkspaceStore(client)).workspace(Credentials(token=text), wanted)
    assert refused.value.code is code
