"""The declared inputs of operations."""

from gateway.api.core.inputs import NO_BODY, Inputs
from gateway.api.core.query import Flag, Texts


def test_every_name_under_which_clients_send_a_parameter_is_known() -> None:
    inputs = Inputs(NO_BODY, (Flag("read", ""), Texts("topics", "", 5, 5)), strict=False)
    assert inputs.known_query == {"read", "topics", "topics[]"}
