"""Admins: unique emails, and always an owner."""

import asyncio

import msgspec
import pytest

from gateway.domain.admin import EVERY_WORKSPACE, Role
from gateway.domain.ids import WorkspaceId
from gateway.store import admins as module
from gateway.store import keys
from gateway.store.admins import AdminRecord, AdminStore
from gateway.store.errors import EmailTakenError, LastOwnerError, TooManyError
from gateway.store.redis.problems import StoreDataError
from tests.store.conftest import InspectedClient

OWNER = {EVERY_WORKSPACE: Role.OWNER}
VIEWER = {WorkspaceId("2"): Role.VIEWER}


@pytest.fixture
async def admins(client: InspectedClient) -> AdminStore:
    """A store without admins."""
    for key in await client.redis.keys(f"{keys.ADMINS}*"):
        await client.redis.unlink(key)
    return AdminStore(client, lambda: 1000.5)


async def test_an_admin_is_found_by_id_and_by_email_in_any_case(admins: AdminStore) -> None:
    assert not await admins.any()
    made = await admins.create(" Ada@Example.com ", "Ada", OWNER, password="a hash")
    assert await admins.any()
    assert (made.email, made.created_at, made.admin.roles) == ("ada@example.com", 1000, OWNER)
    assert await admins.by_email("ADA@example.com") == await admins.by_id(made.id) == made
    assert await admins.by_email("eve@example.com") is await admins.by_id("nobody") is None
    await admins.note_signed_in(made.id)
    assert [record.signed_in_at for record in await admins.all()] == [1000]


async def test_an_email_is_one_admins_until_that_is_removed(admins: AdminStore, client: InspectedClient) -> None:
    await admins.create("owner@example.com", "", OWNER, password="a hash")
    made = await admins.create("ada@example.com", "", VIEWER)
    with pytest.raises(EmailTakenError):
        await admins.create("ada@example.com", "", VIEWER)
    with pytest.raises(EmailTakenError):
        await admins.create("grace@example.com", "", OWNER, only_first=True)
    assert await admins.remove(made.id) == made
    assert await admins.remove(made.id) is None
    await client.redis.hset(keys.ADMIN_EMAILS, "ada@example.com", "left by a dying process")
    again = await admins.create("ada@example.com", "", VIEWER)
    assert await admins.by_email("ada@example.com") == again


async def test_two_changes_at_once_leave_an_owner(admins: AdminStore) -> None:
    made = [await admins.create(f"{name}@example.com", "", OWNER, password="a hash") for name in ("ada", "grace")]
    # An owner who has not chosen a password yet could not sign in.
    await admins.create("invited@example.com", "", OWNER)

    def demoted(record: AdminRecord) -> AdminRecord:
        return msgspec.structs.replace(record, roles={"2": "viewer"})

    outcomes = await asyncio.gather(
        admins.change(made[0].id, demoted), admins.remove(made[1].id), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes].count(LastOwnerError) == 1
    assert sum(record.is_owner for record in await admins.all()) == 1
    assert await admins.change("nobody", demoted) is None


async def test_the_number_of_admins_is_bounded(admins: AdminStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ADMINS", 1)
    await admins.create("ada@example.com", "", OWNER)
    with pytest.raises(TooManyError, match="more than 1 admins"):
        await admins.create("grace@example.com", "", OWNER)


async def test_a_lock_that_a_dying_process_left_ends(admins: AdminStore, client: InspectedClient) -> None:
    await client.redis.set(keys.ADMIN_LOCK, "another process", px=50)
    assert await admins.create("ada@example.com", "", OWNER)


@pytest.mark.parametrize("raw", ["no JSON", '{"id": "a", "email": "e", "roles": {"*": "emperor"}}'])
async def test_a_record_that_cannot_be_read_is_reported_and_left_out(
    admins: AdminStore, client: InspectedClient, raw: str
) -> None:
    await client.redis.hset(keys.ADMINS, "a", raw)
    with pytest.raises(StoreDataError):
        await admins.by_id("a")
    assert await admins.all() == []
