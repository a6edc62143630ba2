"""Which admin an identity of the provider is, on a real server."""

import asyncio
from typing import Any

import msgspec
import pytest

from gateway.auth.sso import Identity, SsoAdmins, SsoError, SsoProblem
from gateway.domain.admin import EVERY_WORKSPACE, Role
from gateway.domain.sso_roles import read_sso_roles
from gateway.store import admins as store_module
from gateway.store import keys
from gateway.store.admin_sessions import AdminSessionStore, SessionKind
from gateway.store.admins import AdminRecord, AdminStore
from tests.store.conftest import InspectedClient

ISSUER = "https://login.example.com"
ROLES = read_sso_roles("groups:owners=owner,viewers=viewer")
OWNER = {EVERY_WORKSPACE: Role.OWNER}


def identity(name: str = "ada", *groups: str, **more: Any) -> Identity:
    """Return somebody with a verified email and groups."""
    found = Identity(ISSUER, f"id-{name}", f"{name}@example.com", True, name.title(), 0, {"groups": list(groups)})
    return msgspec.structs.replace(found, **more)


class Bench:
    """A store without admins, and those who are found by a mapping, or without one."""

    def __init__(self, client: InspectedClient):
        self.admins = AdminStore(client)
        self.sessions = AdminSessionStore(client)
        self.mapped = SsoAdmins(self.admins, self.sessions, ROLES)
        self.invited = SsoAdmins(self.admins, self.sessions, None)


@pytest.fixture
async def bench(client: InspectedClient) -> Bench:
    for key in await client.redis.keys(f"{keys.ADMINS}*"):
        await client.redis.unlink(key)
    return Bench(client)


async def refused(finder: SsoAdmins, who: Identity, expected_id: str = "") -> SsoProblem:
    """Return why somebody is refused."""
    with pytest.raises(SsoError) as caught:
        await finder.admin_of(who, expected_id)
    return caught.value.problem


async def test_a_mapped_role_creates_an_admin_who_is_found_by_the_subject_from_then_on(bench: Bench) -> None:
    made = await bench.mapped.admin_of(identity("ada", "owners"))
    assert (made.email, made.name, made.roles, made.is_owner) == ("ada@example.com", "Ada", {"*": "owner"}, True)
    moved = identity("ada", "owners", email="", is_email_verified=False)
    assert (await bench.mapped.admin_of(moved)).id == made.id
    assert (await bench.mapped.admin_of(moved, made.id)).id == made.id
    assert await refused(bench.mapped, identity("eve", "viewers"), made.id) is SsoProblem.OTHER_ACCOUNT
    assert await bench.admins.by_email("eve@example.com") is None
    assert await refused(bench.mapped, identity("eve")) is SsoProblem.NO_ROLE
    unverified = identity("eve", "viewers", is_email_verified=False)
    assert await refused(bench.mapped, unverified) is SsoProblem.EMAIL_NOT_VERIFIED


async def test_without_a_mapping_people_are_invited_and_keep_their_roles(bench: Bench) -> None:
    assert await refused(bench.invited, identity("ada", "owners")) is SsoProblem.NO_ROLE
    made = await bench.admins.create("ada@example.com", "", OWNER)
    found = await bench.invited.admin_of(identity())
    assert (found.id, found.name, found.roles) == (made.id, "Ada", {"*": "owner"})


async def test_other_roles_end_the_sessions_and_the_last_owner_stays_one(bench: Bench) -> None:
    made = await bench.mapped.admin_of(identity("ada", "owners"))
    assert await refused(bench.mapped, identity("ada", "viewers")) is SsoProblem.LAST_OWNER
    await bench.mapped.admin_of(identity("grace", "owners"))
    session = (await bench.sessions.begin(made.id, SessionKind.BROWSER)).session
    await bench.mapped.admin_of(identity("ada", "owners"))
    assert await bench.sessions.is_open(session.id)
    assert (await bench.mapped.admin_of(identity("ada", "viewers"))).roles == {"*": "viewer"}
    assert not await bench.sessions.is_open(session.id)


async def test_an_email_is_bound_to_one_subject_of_a_provider_and_another_provider_may_follow(bench: Bench) -> None:
    made = await bench.mapped.admin_of(identity("ada", "owners"))
    assert await refused(bench.mapped, identity("ada", "owners", subject="other")) is SsoProblem.OTHER_ACCOUNT
    assert await refused(bench.invited, identity(subject="other")) is SsoProblem.OTHER_ACCOUNT
    elsewhere = identity("ada", "owners", issuer="https://id.example.org")
    assert (await bench.mapped.admin_of(elsewhere)).id == made.id
    assert (await bench.admins.all())[0].sso_subject == "https://id.example.org id-ada"


async def test_two_first_sign_ins_at_once_make_one_admin_and_one_that_is_removed_meanwhile_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = (bench.mapped.admin_of(identity("ada", "owners")) for _ in range(2))
    results = await asyncio.gather(*both, return_exceptions=True)
    assert sum(isinstance(each, AdminRecord) for each in results) >= 1
    assert len(await bench.admins.all()) == 1
    monkeypatch.setattr(store_module, "MAX_ADMINS", 1)
    assert await refused(bench.mapped, identity("eve", "owners")) is SsoProblem.OTHER_ACCOUNT

    async def removed(admin_id: str, change: Any) -> None:
        return None

    monkeypatch.setattr(bench.admins, "change", removed)
    assert await refused(bench.mapped, identity("ada", "owners")) is SsoProblem.NO_ROLE
