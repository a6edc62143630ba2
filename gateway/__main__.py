"""`python -m gateway`, which is the same as `inbox-gateway`.

Before anything else is imported, the three standard descriptors are opened and SIGINT gets its default action.
"""

import os
import signal
import sys


def main() -> None:
    """Run the command line."""
    _open_standard_descriptors()
    # An interrupt during the imports ends the process without a traceback. `serve` sets its own handlers.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.argv[1:2] != ["worker"] and "--ready-fd" not in sys.argv:
        # Set by another program. Only workers write metrics files, to a directory that the supervisor sets.
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    try:
        from gateway import cli
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("gateway"):
            raise
        sys.exit(f"inbox-gateway: {missing.name} is not installed: run `make install`, and .venv/bin/inbox-gateway")

    if interruptible and sys.argv[1:2] != ["serve"]:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


def _open_standard_descriptors() -> None:
    """Open descriptors that the parent process closed: otherwise the next file or socket would get their numbers."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


if __name__ == "__main__":
    main()
