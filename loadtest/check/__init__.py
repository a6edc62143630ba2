"""Proof under faults: many users write and read over every transport while servers and links break.

    writers ──requests──> [proxy] ──> gateways ──> [proxy] ──> Redis
    devices <──events──── [proxy] <──

Every device checks each event by itself (`witness`), every write is known by an id that its event carries (`journal`).
After each fault the writers pause, so that no later event hides what an earlier one left out; then every device must
reach the position of the store's list, and know exactly what that lists. `python -m loadtest check --help`.
"""
