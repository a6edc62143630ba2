"""The load test: what the gateway costs, beside its peers and the bare system calls. `python -m loadtest --help`."""

import importlib.util

_NEEDED = ("click", "httpx", "hypothesis", "pytest", "uvloop", "websockets")
"""A few of the packages of requirements-dev.lock; where one is missing, others are."""

_missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
if _missing:
    raise SystemExit(
        f"This needs packages that are not installed ({', '.join(_missing)}): run `make install-dev`, and then this "
        "with .venv/bin/python"
    )
