"""The conformance kit: checks of the live protocol, for servers and clients of any implementation.

The specification is docs/reference/live-protocol.md. `python -m conformance` says how to run the kit.
"""
