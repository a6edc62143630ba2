"""API secrets are encrypted at rest, and accepted while they are valid."""

from gateway.domain.signing import NO_PROOF, secret_id
from gateway.store import keys
from gateway.store.project_records import ProjectRecord, StoredSecret
from gateway.store.project_secrets import SecretCipher
from tests.store.conftest import InspectedClient
from tests.store.test_projects import store


def cipher(now: float = 0.0, secret_key: str = "k") -> SecretCipher:
    return SecretCipher(secret_key, lambda: now)


def record(*secrets: StoredSecret, hmac_enabled: bool = True) -> ProjectRecord:
    return ProjectRecord("1", "Shop", "key", hmac_enabled, list(secrets))


async def test_a_secret_is_encrypted_at_rest(client: InspectedClient) -> None:
    created = await store(client).create("Shop", hmac_enabled=True)
    stored = await client.redis.hget(keys.PROJECTS, created.api_key)
    assert stored is not None
    assert created.secrets[0].encode() not in stored


async def test_another_secret_key_cannot_read_it(client: InspectedClient) -> None:
    created = await store(client).create("Shop", hmac_enabled=True)
    found = await store(client, secret_key="other").by_api_key(created.api_key)
    assert found is not None
    assert found.secrets == ()


def test_a_secret_is_decrypted_by_its_own_key_only() -> None:
    encrypted = cipher().encrypt("secret")
    assert "secret" not in encrypted.encrypted
    assert cipher().decrypt(encrypted) == "secret"
    assert cipher(secret_key="other").decrypt(encrypted) is None


def test_the_id_of_a_secret_key_does_not_reveal_it_and_differs_between_keys() -> None:
    assert cipher().key_id == cipher().key_id != cipher(secret_key="other").key_id
    assert len(cipher().key_id) == 16


def test_a_secret_is_accepted_until_its_overlap_ends() -> None:
    new, old = cipher().encrypt("new"), StoredSecret(cipher().encrypt("old").encrypted, until=10)
    during, after = cipher(now=9).open(record(new, old)), cipher(now=10).open(record(new, old))
    assert (during.secrets, after.secrets) == (("new", "old"), ("new",))
    assert during.valid_credentials == {secret_id("new"): None, secret_id("old"): 10}


def test_without_hmac_no_proof_is_a_valid_credential() -> None:
    opened = cipher().open(record(cipher().encrypt("s"), hmac_enabled=False))
    assert opened.valid_credentials == {NO_PROOF: None, secret_id("s"): None}
