"""The conformance kit: checks that hold a server, or a client, of another hand against the live protocol.

The specification is docs/reference/live-protocol.md. `python -m conformance` says how to run the kit.
"""
