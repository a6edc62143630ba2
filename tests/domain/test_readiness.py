"""What `/readyz` says."""

from gateway.domain.errors import ErrorCode
from gateway.domain.readiness import readiness


def test_a_process_is_ready_or_names_the_reason_and_explains_that_of_an_error() -> None:
    assert readiness("") == {"status": "ready"}
    assert readiness("draining") == {"status": "not ready", "reason": "draining"}
    kind = ErrorCode.STORE_FULL.kind
    assert readiness(kind.code) == {
        "status": "not ready",
        "reason": kind.code,
        "message": f"{kind.message}. {kind.suggestion}",
    }
