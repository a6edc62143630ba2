"""The arguments that every function which appends to a log begins with."""

from gateway.store.event_log import LogRetention, LogWrite, Moment


def test_the_retention_of_the_log_and_the_moment_make_the_first_arguments() -> None:
    arguments = LogRetention(events=10, seconds=60).context(Moment(1_000, "e"))
    assert arguments == LogWrite(now_ms=1_000, epoch_if_new="e", log_events=10, log_seconds=60)
    assert tuple(arguments) == (1_000, "e", 10, 60), "in the order of the Lua headers"
