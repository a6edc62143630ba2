"""The verification of credentials, on a real server."""

import secrets
import time
from typing import Any

import pytest

from gateway.auth.authenticator import Authenticator
from gateway.auth.credentials import user_hmac
from gateway.auth.inbox_tokens import InboxTokens
from gateway.auth.tokens import PROJECT_CLAIM, USER_CLAIM, issued_token, user_token
from gateway.domain.errors import ApiError, ErrorCode
from gateway.domain.new_user_limits import NewUserLimits
from gateway.domain.principal import Credentials, Identity, Project, ProjectPrincipal, User, UserPrincipal
from gateway.domain.signing import NO_PROOF, secret_id
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.deletion import UserDeletion
from gateway.store.directory import Directory
from gateway.store.projects import ProjectStore
from gateway.store.tokens import Token, TokenStore
from tests.api.tokens import token
from tests.store.conftest import InspectedClient

ADDRESS = "203.0.113.9"


def proven(project: Project, external_id: str = "ada", **others: Any) -> Credentials:
    proof = user_hmac(project.secrets[0], external_id)
    return Credentials(project.api_key, external_id=external_id, hmac=proof, **others)


def signed(project: Project, **claims: Any) -> Credentials:
    good = {"api_key": project.api_key, "user_external_id": "ada", "exp": int(time.time()) + 60}
    return Credentials(token=token(good | claims, project.secrets[0]))


def issued(project: Project) -> Token:
    now = int(time.time())
    return Token(secrets.token_hex(16), now, now + 60, None, "of a test")


DELETED = (ErrorCode.TOKEN_REVOKED, "The token's user was deleted")


async def delete(authenticator: Authenticator, client: InspectedClient, user: User) -> None:
    await UserDeletion(client).delete(user)
    await authenticator.forget(user)


async def refusal(call: Any) -> tuple[ErrorCode | None, str]:
    with pytest.raises(ApiError) as refused:
        await call
    return refused.value.code, refused.value.problems[0].message


# ---- backends


async def test_a_backend_is_verified_by_key_and_secret(authenticator: Authenticator, project: Project) -> None:
    found = await authenticator.admin(Credentials(project.api_key, project.secrets[0]))
    assert found == ProjectPrincipal(project)


async def test_a_backend_is_verified_by_a_token_of_its_project(
    authenticator: Authenticator, client: InspectedClient, project: Project
) -> None:
    row = issued(project)
    await TokenStore(client).issue(project.id, row)
    found = await authenticator.admin(Credentials(token=issued_token(project, None, row)))
    assert found == ProjectPrincipal(project, row.id, row.created_at)


async def test_a_project_token_that_was_never_issued_is_refused(authenticator: Authenticator, project: Project) -> None:
    text = issued_token(project, None, issued(project))
    assert await refusal(authenticator.admin(Credentials(token=text))) == (
        ErrorCode.TOKEN_IS_INCORRECT,
        "The project has no such token",
    )


async def test_a_backend_can_sign_no_project_token_for_another_project(
    authenticator: Authenticator, project: Project
) -> None:
    code, message = await refusal(authenticator.admin(signed(project, jti="x", **{PROJECT_CLAIM: "1"})))
    assert (code, message) == (ErrorCode.TOKEN_IS_INCORRECT, "The token is no token of this project")


async def test_tokens_of_users_and_of_projects_are_distinguished(
    authenticator: Authenticator, project: Project
) -> None:
    assert (await refusal(authenticator.admin(signed(project))))[0] is ErrorCode.FORBIDDEN
    of_project = signed(project, **{PROJECT_CLAIM: project.id})
    assert (await refusal(authenticator.user(of_project)))[0] is ErrorCode.FORBIDDEN


@pytest.mark.parametrize("claim", ["user_external_id", "user_email", USER_CLAIM])
async def test_a_user_token_is_no_backends_whatever_its_user_claims_are(
    authenticator: Authenticator, project: Project, claim: str
) -> None:
    strange = signed(project, **{claim: 5})
    assert (await refusal(authenticator.admin(strange)))[0] is ErrorCode.FORBIDDEN
    assert await refusal(authenticator.user(strange)) == (
        ErrorCode.TOKEN_IS_INCORRECT,
        f"The token's {claim} is not a string",
    )


async def test_a_project_token_opens_no_inbox_whatever_its_id_is(
    authenticator: Authenticator, project: Project
) -> None:
    strange = signed(project, **{PROJECT_CLAIM: project.id, "jti": 5})
    assert (await refusal(authenticator.user(strange)))[0] is ErrorCode.FORBIDDEN
    assert await refusal(authenticator.admin(strange)) == (
        ErrorCode.TOKEN_IS_INCORRECT,
        "The token's jti is not a string",
    )


@pytest.mark.parametrize(
    ("api_key", "code"), [(None, ErrorCode.API_KEY_NOT_PROVIDED), ("no such key", ErrorCode.INCORRECT_API_KEY)]
)
async def test_a_project_is_named_by_its_api_key(
    authenticator: Authenticator, api_key: str | None, code: ErrorCode
) -> None:
    assert (await refusal(authenticator.admin(Credentials(api_key, "secret"))))[0] is code
    assert (await refusal(authenticator.user(Credentials(api_key, external_id="ada"))))[0] is code


# ---- users


async def test_a_user_is_verified_by_an_hmac_and_created_once(authenticator: Authenticator, project: Project) -> None:
    first = await authenticator.user(proven(project))
    assert first == UserPrincipal(project, first.user, secret_id(project.secrets[0]))
    assert (first.user.project_id, first.user.external_id) == (project.id, "ada")
    assert (await authenticator.user(proven(project))).user == first.user


async def test_an_hmac_proves_the_external_id_alone(authenticator: Authenticator, project: Project) -> None:
    found = await authenticator.user(proven(project, email="grace@example.com"))
    assert found.user.email is None


async def test_a_name_without_proof_is_refused_where_hmacs_are_required(
    authenticator: Authenticator, project: Project
) -> None:
    unproven = Credentials(project.api_key, external_id="ada")
    code, _ = await refusal(authenticator.user(unproven, address=lambda: ADDRESS))
    assert code is ErrorCode.NEITHER_USER_HMAC_NOR_API_SECRET_PROVIDED


async def test_the_secret_finds_an_existing_user_or_creates_one(authenticator: Authenticator, project: Project) -> None:
    named = Credentials(project.api_key, project.secrets[0], external_id="ada")
    assert (await refusal(authenticator.user(named, must_exist=True)))[0] is ErrorCode.USER_NOT_FOUND
    created = await authenticator.user(named)
    assert (await authenticator.user(named, must_exist=True)).user == created.user


async def test_a_rotated_secret_expires_with_its_overlap(
    authenticator: Authenticator, projects: ProjectStore, project: Project
) -> None:
    old = proven(project)
    await projects.rotate_secret(project.api_key, 1000)
    found = await authenticator.user(old)
    assert found.authenticated_by == secret_id(project.secrets[0])
    assert found.credential_expires_at == pytest.approx(time.time() + 1000, abs=30)


async def test_unproven_users_are_created_up_to_the_limit_of_their_address(
    authenticator: Authenticator, open_project: Project
) -> None:
    def come(name: str, address: str = ADDRESS) -> Any:
        return authenticator.user(Credentials(open_project.api_key, external_id=name), address=lambda: address)

    first = await come("ada")
    assert first.authenticated_by == NO_PROOF
    await come("grace")
    code, message = await refusal(come("joan"))
    assert (code, message) == (
        ErrorCode.TOO_MANY_NEW_USERS,
        "More than 2 new users an hour from here, who came without proof",
    )
    assert (await come("ada")).user == first.user
    assert (await come("joan", "203.0.113.10")).user.external_id == "joan"


async def test_without_limits_every_unproven_user_is_created(
    client: InspectedClient, projects: ProjectStore, open_project: Project
) -> None:
    directory = Directory(client, time.monotonic)
    tokens = InboxTokens(ChannelTokenStore(client), directory)
    unlimited = Authenticator(projects, directory, TokenStore(client), time.time, NewUserLimits(0, 0), tokens)
    for number in range(4):
        credentials = Credentials(open_project.api_key, external_id=f"user {number}")
        assert (await unlimited.user(credentials, address=lambda: ADDRESS)).user.external_id == f"user {number}"


async def test_an_unproven_user_is_not_created_without_an_address(
    authenticator: Authenticator, open_project: Project
) -> None:
    code, _ = await refusal(authenticator.user(Credentials(open_project.api_key, external_id="nobody")))
    assert code is ErrorCode.USER_NOT_FOUND


# ---- tokens of users


async def test_a_user_token_leads_to_its_user_and_has_its_times(authenticator: Authenticator, project: Project) -> None:
    now = int(time.time())
    text = user_token(project, Identity("ada"), now - 5, now + 60)
    found = await authenticator.user(Credentials(token=text))
    assert found == UserPrincipal(project, found.user, secret_id(project.secrets[0]), None, "", now - 5, now + 60)


async def test_a_token_without_an_issue_time_is_older_than_any_revocation(
    authenticator: Authenticator, project: Project
) -> None:
    assert (await authenticator.user(signed(project))).token_issued_at == 0


async def test_an_issued_token_is_for_one_user_whatever_their_name(
    authenticator: Authenticator, client: InspectedClient, project: Project
) -> None:
    ada = (await authenticator.user(proven(project))).user
    text = issued_token(project, ada, issued(project))
    assert (await authenticator.user(Credentials(token=text))).user == ada
    await delete(authenticator, client, ada)
    assert (await authenticator.user(proven(project))).user.external_id == "ada"
    assert await refusal(authenticator.user(Credentials(token=text))) == DELETED


async def test_a_token_signed_before_its_user_was_deleted_is_not_for_the_next_user_of_that_name(
    authenticator: Authenticator, client: InspectedClient, project: Project
) -> None:
    before = signed(project, iat=int(time.time()) - 1)
    ada = (await authenticator.user(before)).user
    await delete(authenticator, client, ada)
    assert await refusal(authenticator.user(before)) == DELETED
    later = (await authenticator.user(signed(project, iat=int(time.time()) + 100))).user
    assert later.id != ada.id
    assert (await authenticator.user(signed(project))).user.id == later.id  # as an HMAC, without an issue time


async def test_a_token_that_names_two_users_is_refused(authenticator: Authenticator, project: Project) -> None:
    await authenticator.user(proven(project, "ada"))
    await authenticator.user(signed(project, user_external_id=None, user_email="grace@example.com"))
    code, message = await refusal(authenticator.user(signed(project, user_email="grace@example.com")))
    assert code is ErrorCode.TOKEN_IS_INCORRECT
    assert "two different users" in message


async def test_a_key_beside_a_token_must_be_that_of_the_token(
    authenticator: Authenticator, project: Project, open_project: Project
) -> None:
    text = signed(project).token
    assert (await authenticator.user(Credentials(project.api_key, token=text))).project == project
    assert await refusal(authenticator.user(Credentials(open_project.api_key, token=text))) == (
        ErrorCode.TOKEN_IS_INCORRECT,
        "The token's api_key is missing or of another project",
    )


# ---- projects


async def test_projects_are_read_as_they_are_now(
    authenticator: Authenticator, projects: ProjectStore, project: Project
) -> None:
    assert await authenticator.current(project) == project
    assert await authenticator.projects([project.api_key, "no such key"]) == {
        project.api_key: project,
        "no such key": None,
    }
