"""What a child process does before it runs its program, so that it ends with its parent."""

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
    # When the supervisor is killed, its port must be free at once.
    die_with_parent(signal.SIGKILL)
    # A terminal sends these to its whole process group, before a child may have set its handlers. The supervisor passes
    # on what concerns its children.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
