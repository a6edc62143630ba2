"""User tokens, good and bad, made without the library that reads them."""

import base64
import hmac
import json
import time
from typing import Any

from tests.servers import API_KEY, API_SECRET


def encoded(part: Any) -> str:
    """Encode a token's header or claims; bytes are taken as they are."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(claims: Any, secret: str = API_SECRET, algorithm: str = "HS256", digest: str = "sha256") -> str:
    """Sign a token by HMAC."""
    signed = f"{encoded({'alg': algorithm, 'typ': 'JWT'})}.{encoded(claims)}"
    return f"{signed}.{encoded(hmac.digest(secret.encode(), signed.encode(), digest))}"


def claims_of(user: str, **others: Any) -> dict[str, Any]:
    """Give good claims of a user of the bootstrap project; None takes one away."""
    good = {"api_key": API_KEY, "user_external_id": user, "exp": int(time.time()) + 600}
    return {name: value for name, value in (good | others).items() if value is not None}


def bearer(value: str) -> dict[str, str]:
    """Give the header of a token."""
    return {"Authorization": f"Bearer {value}"}
