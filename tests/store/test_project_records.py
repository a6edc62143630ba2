"""A project's record is either decoded completely, or logged and refused."""

import msgspec
import pytest

from gateway.store import keys
from gateway.store.project_records import ProjectRecord, StoredSecret, decode_record, origins_of, peek_record
from gateway.store.redis.problems import StoreDataError, StoreFormatError
from tests.logs import captured_log

RECORD = ProjectRecord("1", "Shop", "key", True, [StoredSecret("e")], allowed_origins=["https://a"], format=keys.FORMAT)
RAW = msgspec.json.encode(RECORD)


def test_a_record_is_what_was_encoded() -> None:
    assert decode_record("key", RAW) == peek_record(RAW) == RECORD
    assert origins_of(RAW) == ["https://a"]


def test_a_record_without_a_newer_field_has_its_default() -> None:
    raw = b'{"id":"1","name":"n","api_key":"k","hmac_enabled":true,"secrets":[{"encrypted":"e"}],"format":"1"}'
    assert decode_record("k", raw) == ProjectRecord("1", "n", "k", True, [StoredSecret("e")], format="1")


@pytest.mark.parametrize(
    "raw",
    [
        b"x",
        b"[]",
        b'{"format":"1"}',
        msgspec.json.encode(msgspec.structs.replace(RECORD, secrets=[])),
        msgspec.json.encode(msgspec.structs.replace(RECORD, keys=[{"kty": "EC"}])),
    ],
)
def test_what_is_no_record_is_refused_and_named_in_the_log(raw: bytes) -> None:
    with captured_log() as log, pytest.raises(StoreDataError):
        decode_record("shop", raw)
    assert log[0]["api_key"] == "shop"


def test_a_record_of_another_format_is_refused_as_such() -> None:
    raw = msgspec.json.encode(msgspec.structs.replace(RECORD, format="2"))
    with pytest.raises(StoreFormatError):
        decode_record("shop", raw)
    assert peek_record(raw) is None


def test_a_broken_record_allows_no_origin() -> None:
    assert origins_of(b"\xff") == origins_of(b"x") == origins_of(b"{}") == []
