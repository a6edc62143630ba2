"""The REST API: the operations and what they have in common.

`core` has what every operation uses. `v1`, `v2` and `system` have a file for each resource: its rows in the route
table, its bodies, the types of its responses and its handlers. `operations` concatenates the rows, and `binding`
constructs each resource with its stores.

A request passes the router, the `Endpoint` of its row, and the `Access` of the row's caller. The access verifies the
credentials and creates a `Call`, which the handler receives.
"""
