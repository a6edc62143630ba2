"""The load test: what the gateway costs, beside its peers and the bare system calls. `python -m loadtest --help`."""
