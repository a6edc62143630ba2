"""A stored configuration has its secrets encrypted."""

import pytest

from gateway.channels.secret_param import REDACTED
from gateway.store.configurations import ConfigurationCodec
from gateway.store.redis.problems import StoreDataError

VALUES = {"host": "h", "user": {"name": "n", "token": "hush"}, "password": "quiet"}
PATHS = ("user.token", "password", "other")


def test_a_configuration_is_read_as_it_was_saved_and_shown_without_its_secrets() -> None:
    codec = ConfigurationCodec("key")
    raw = codec.encode("7", VALUES, PATHS, "1 smtp")
    found = codec.decode(raw, "1 smtp")
    assert (found.id, found.values, found.names, found.raw) == ("7", VALUES, PATHS[:2], raw)
    assert found.shown == {"host": "h", "user": {"name": "n", "token": REDACTED}, "password": REDACTED}
    for text in (raw.decode(), repr(found)):
        assert "hush" not in text
        assert "quiet" not in text


def test_secrets_of_another_key_or_place_are_left_out() -> None:
    raw = ConfigurationCodec("key").encode("7", VALUES, PATHS, "1 smtp")
    for codec, place in ((ConfigurationCodec("other"), "1 smtp"), (ConfigurationCodec("key"), "2 smtp")):
        found = codec.decode(raw, place)
        assert found.values == {"host": "h", "user": {"name": "n"}}
        assert found.shown["password"] == REDACTED


def test_a_configuration_without_secrets_has_nothing_encrypted() -> None:
    codec = ConfigurationCodec("key")
    assert codec.encode("7", {"locale": None}, (), "1 inbox") == b'{"id":"7","config":{"locale":null}}'


def test_a_record_that_is_no_configuration_is_an_error_of_the_store() -> None:
    for raw in (b"", b"[]", b'{"id":5,"config":{}}', b"\xff"):
        with pytest.raises(StoreDataError):
            ConfigurationCodec("key").decode(raw, "1 smtp")
