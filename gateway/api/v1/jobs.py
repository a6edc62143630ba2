"""What operations on jobs share: the id in a path, and the answer's last part."""

from uuid import UUID

from gateway.api.core.operation import Call
from gateway.domain.errors import ErrorCode, api_error


def job_id(call: Call, name: str, what: str) -> str:
    """Give the id in the path. Raises ApiError 404: what is no UUID was never given out."""
    try:
        return str(UUID(call.text(name)))
    except ValueError:
        raise not_found(what) from None


def not_found(what: str) -> Exception:
    """Say that there is no such thing."""
    return api_error(ErrorCode.NOT_FOUND, f"{what} not found")
