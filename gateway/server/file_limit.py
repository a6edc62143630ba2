"""The limit of open files, which also limits the number of connections."""

import resource
from contextlib import suppress

from gateway.telemetry.logs import log

FEW_FILES = 10_000
"""A lower limit is logged: it may be too low for the usual number of connections of a worker."""


def raise_file_limit() -> None:
    """Raise the soft limit of open files of this process and its children to the hard one. Log a low limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS reports a higher limit than it allows
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft != resource.RLIM_INFINITY and soft < FEW_FILES:
        log.warning(
            "few_open_files",
            limit=soft,
            message=f"A worker can have {soft} files open, and each connection takes one: raise the hard limit "
            "(`ulimit -Hn`, LimitNOFILE= of systemd, --ulimit of docker).",
        )
