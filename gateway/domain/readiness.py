"""What `/readyz` says: whether a process should get work, and the reason if it should not."""

from collections.abc import Mapping

from gateway.domain.errors import ErrorCode


def readiness(reason: str) -> Mapping[str, str]:
    """Return the fields of the response. `reason` is `draining` or the code of an error, "" if the process is ready."""
    if not reason:
        return {"status": "ready"}
    kind = next((code.kind for code in ErrorCode if code.kind.code == reason), None)
    explanation = {"message": f"{kind.message}. {kind.suggestion}"} if kind is not None else {}
    return {"status": "not ready", "reason": reason, **explanation}
