"""The checker: many users write and read over every transport while servers and connections fail.

    writers ──requests──> [proxy] ──> gateways ──> [proxy] ──> Redis
    devices <──events──── [proxy] <──

Every device checks each event (`observer`), and every write has an id that its event carries (`write_journal`). After
each fault the writers pause, so that no later event can hide that an earlier one is missing. Then every device must
reach the position of the store, and its replica must equal the list of the store (`comparison`).
`python -m loadtest check --help`.
"""
