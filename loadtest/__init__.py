"""The load test: the cost of the gateway, beside its peers and the bare system calls. `python -m loadtest --help`."""

import importlib.util

_NEEDED = ("click", "httpx", "hypothesis", "pytest", "uvloop", "websockets")
"""Some of the packages of requirements-dev.lock. If one is missing, others are probably missing too."""

_missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
if _missing:
    raise SystemExit(
        f"This needs packages that are not installed ({', '.join(_missing)}): run `make install-dev`, then repeat the "
        "command with .venv/bin/python"
    )
