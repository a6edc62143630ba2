"""The resources of v2 that are not built yet."""

from gateway.api.v2.unbuilt import OPERATIONS


def test_every_path_below_a_resource_that_is_not_built_has_a_row_for_each_method() -> None:
    paths = {row.path for row in OPERATIONS}
    assert {"/v2/users", "/v2/users/{path:path}"} <= paths
    assert len(OPERATIONS) == 4 * len(paths)
