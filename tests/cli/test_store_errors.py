"""The messages about a store that cannot be used."""

import pytest

from gateway.cli.errors import StoreFormatUnknownError, StoreNotWritableError, StoreUnusableError
from gateway.cli.store_errors import reason_of, store_error, store_name
from gateway.settings import Settings
from gateway.store.redis.problems import (
    StoreFormatError,
    StoreReadOnlyError,
    StoreRefusedError,
    StoreUnavailableError,
)

BUNDLED = Settings()
OWN = Settings(redis_url="redis://:password@host:6379")
TLS = Settings(redis_url="rediss://:password@host:6379")
CLUSTER = Settings(redis_url="redis+cluster://host:6379")
NAME = "the server of INBOX_REDIS_URL (redis://host:6379)"


def unavailable(detail: str) -> StoreUnavailableError:
    return StoreUnavailableError(detail=detail)


def test_the_store_is_named_without_its_password() -> None:
    assert (store_name(BUNDLED), store_name(OWN)) == ("the bundled Valkey", NAME)


@pytest.mark.parametrize(
    ("detail", "reason", "may_recover"),
    [
        ("Error 111 connecting to host:6379. Connection refused.", "Connection refused", True),
        ("Error -2 connecting to host:6379. Name or service not known.", "Name or service not known", True),
        ("No master found for 'inbox'", "none of these sentinels reports a reachable primary of that service", True),
        ("Protocol error, got 'H' as reply type byte", "the server does not speak the Redis protocol", False),
        ("Connection closed by server.", "the server closed the connection", False),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "the port does not speak TLS", False),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed", "its TLS certificate is not trusted", False),
        ("[SSL: X] y", "the TLS handshake failed", False),
        ("MOVED 1 host:6380", "it is a node of a cluster: use redis+cluster:// in the address", False),
        ("something new", "something new", True),
    ],
)
def test_the_cause_is_named_with_its_remedy(detail: str, reason: str, may_recover: bool) -> None:
    found = store_error(OWN, unavailable(detail))
    assert str(found).startswith(f"{NAME} cannot be used: {reason}")
    assert found.may_recover is may_recover


def test_a_node_that_redirects_is_normal_in_a_cluster() -> None:
    assert reason_of(CLUSTER, unavailable("MOVED 1 host:6380")) == "MOVED 1 host:6380"


def test_the_systems_words_are_kept_where_they_are_precise() -> None:
    detail = "Error 2 connecting to /run/valkey.sock. No such file or directory."
    assert reason_of(BUNDLED, unavailable(detail)) == "No such file or directory"


def test_silence_of_a_tls_port_has_a_reason() -> None:
    assert "then use redis:// in the address" in reason_of(TLS, unavailable("no reply in time"))
    assert reason_of(OWN, unavailable("no reply in time")) == "no reply in time"


@pytest.mark.parametrize(
    ("detail", "hint"),
    [
        ("NOAUTH Authentication required.", "; write the password as in redis://:password@host"),
        ("WRONGPASS invalid", "; check the user name and the password in INBOX_REDIS_URL"),
        ("something else", ""),
    ],
)
def test_a_refusal_is_reported_with_a_hint(detail: str, hint: str) -> None:
    found = store_error(OWN, StoreRefusedError("no access", detail))
    assert str(found) == f"{NAME} refuses: no access{hint}"
    assert not found.may_recover


def test_an_unknown_format_and_a_store_without_writes_are_exceptions_of_their_own() -> None:
    unknown = store_error(OWN, StoreFormatError("written by version 9"))
    assert isinstance(unknown, StoreFormatUnknownError)
    assert str(unknown) == (
        f"{NAME} cannot be used: written by version 9; serve this store with the version that wrote it, or a newer one."
    )
    read_only = store_error(OWN, StoreReadOnlyError("too few replicas"))
    assert isinstance(read_only, StoreNotWritableError)
    assert isinstance(read_only, StoreUnusableError)
    assert read_only.may_recover
