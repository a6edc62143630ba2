"""The credentials in the OpenAPI document."""

from gateway.api.core.security import LIVE_SECURITY, SECURITY, SECURITY_SCHEMES
from gateway.api.operations import OPERATIONS


def test_every_caller_has_its_credentials_and_every_credential_is_described() -> None:
    assert {row.caller for row in OPERATIONS} == SECURITY.keys()
    named = {name for choices in (*SECURITY.values(), LIVE_SECURITY) for choice in choices for name in choice}
    assert named == SECURITY_SCHEMES.keys()
    assert all(scheme["description"] for scheme in SECURITY_SCHEMES.values())
