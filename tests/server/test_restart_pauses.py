"""The pauses before a process that has died is started again."""

from gateway.server.restart_pauses import FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS, RestartPauses


def test_pauses_double_up_to_a_bound() -> None:
    pauses = RestartPauses()
    assert [pauses.after(0) for _ in range(3)] == [0.5, 1, 2]
    for _ in range(5):
        last = pauses.after(0)
    assert last == MAX_PAUSE_SECONDS


def test_a_process_that_ran_for_long_is_started_again_after_the_first_pause() -> None:
    pauses = RestartPauses()
    for _ in range(4):
        pauses.after(0)
    assert pauses.after(MAX_PAUSE_SECONDS + 1) == FIRST_PAUSE_SECONDS
