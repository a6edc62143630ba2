"""The pauses before a process that has died is started again."""

FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 10.0


class RestartPauses:
    """Pauses that double with each death, up to MAX_PAUSE_SECONDS. They start again once a process ran for longer."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_SECONDS

    def after(self, ran_seconds: float) -> float:
        """Return the pause, in seconds, after the death of a process that ran for `ran_seconds`."""
        if ran_seconds > MAX_PAUSE_SECONDS:
            self._next = FIRST_PAUSE_SECONDS
        pause = self._next
        self._next = min(2 * pause, MAX_PAUSE_SECONDS)
        return pause
