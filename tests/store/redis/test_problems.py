"""Each error reply of Redis becomes an exception with its cause, whose text contains nothing secret."""

import pytest

from gateway.store.redis.problems import (
    BrokenRecords,
    StoreDataError,
    StoreFullError,
    StoreReadOnlyError,
    StoreRefusedError,
    StoreUnavailableError,
    store_error,
)
from tests.logs import captured_log

REPLIES = [
    ("NOAUTH Authentication required.", StoreRefusedError),
    ("WRONGPASS invalid username-password pair or user is disabled.", StoreRefusedError),
    ("NOPERM User default has no permissions to run the 'fcall' command", StoreRefusedError),
    ("NOPERM No permissions to access a key", StoreRefusedError),
    ("ERR The user executing the script can't run this command or subcommand script: f", StoreRefusedError),
    ("ERR AUTH <password> called without any password configured for the default user.", StoreRefusedError),
    ("ERR DB index is out of range", StoreRefusedError),
    ("ERR unknown command 'FCALL', with args beginning with: 'f' 'ada@example.com'", StoreRefusedError),
    ("OOM command not allowed when used memory > 'maxmemory'.", StoreFullError),
    ("OOM command not allowed when used memory > 'maxmemory'. script: f, on @user_function:1.", StoreFullError),
    ("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist", StoreReadOnlyError),
    ("READONLY You can't write against a read only replica.", StoreReadOnlyError),
    ("NOREPLICAS Not enough good replicas to write.", StoreReadOnlyError),
    ("MASTERDOWN Link with MASTER is down", StoreUnavailableError),
    ("BUSY Redis is busy running a script.", StoreUnavailableError),
    ("LOADING Redis is loading the dataset in memory", StoreUnavailableError),
    ("CLUSTERDOWN Hash slot not served", StoreUnavailableError),
    ("TRYAGAIN Multiple keys request during rehashing of slot", StoreUnavailableError),
    ("CROSSSLOT Keys in request don't hash to the same slot", StoreUnavailableError),
    ("ERR max number of clients reached", StoreUnavailableError),
    ("ERR Function not found", StoreUnavailableError),
    ("WRONGTYPE Operation against a key holding the wrong kind of value", StoreDataError),
    ("ERR user_function:12: attempt to index a nil value script: f, on @user_function:12.", StoreDataError),
    ("NEWWORD that nobody has heard of", StoreUnavailableError),
    ("something without a word", StoreUnavailableError),
    ("", StoreUnavailableError),
]


@pytest.mark.parametrize(("reply", "kind"), REPLIES)
def test_a_reply_becomes_the_exception_of_its_cause(reply: str, kind: type[StoreUnavailableError]) -> None:
    problem = store_error(reply)
    assert type(problem) is kind
    assert problem.replied
    assert problem.code.kind.status in (503, 507)


@pytest.mark.parametrize("reply", [reply for reply, _ in REPLIES])
def test_clients_receive_no_names_and_no_contents(reply: str) -> None:
    for secret in ("default", "ada@example.com", "'fcall'", "<password>"):
        assert secret not in str(store_error(reply))
    assert "ada@example.com" not in store_error(reply).detail


def test_a_broken_record_is_logged_once_in_a_while() -> None:
    records = BrokenRecords()
    problem = StoreDataError("", "WRONGTYPE")
    with captured_log() as lines:
        for key in ("inbox:1:{p:u}", b"inbox:1:{p:u}", "inbox:1:{p}:idempotency:ada@example.com"):
            records.report("list", key, problem)
    assert [line["key"] for line in lines] == ["inbox:1:{p:u}", "inbox:1:{p}"]
