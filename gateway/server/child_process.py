"""Prepares a child process before it runs its program, so that it ends with its parent."""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(signal_number: int) -> None:
    """Make the kernel send this process a signal when its parent dies (Linux only). For `preexec_fn`."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def begin_child() -> None:
    """Prepare a worker or a helper process. For `preexec_fn`."""
    # When the supervisor is killed, its children must free the port at once.
    die_with_parent(signal.SIGKILL)
    # A terminal sends these signals to its whole process group, maybe before a child has set its handlers. The
    # supervisor handles them, and signals its children itself.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
