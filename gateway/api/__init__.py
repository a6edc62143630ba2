"""The REST API: the operations and what they have in common.

`core` has what every operation uses. `v1`, `v2` and `system` have a file for each resource: its rows in the route
table, its bodies, the types of its responses and its handlers. `operations` concatenates the rows, and `binding` gives
each resource its stores.
"""
