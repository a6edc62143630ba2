"""User tokens: valid and forged ones, made without the library that reads them, and issued ones."""

import base64
import hmac
import json
import time
from typing import Any

import httpx

from tests.servers import ADMIN, API_KEY, API_SECRET


def encoded(part: Any) -> str:
    """Encode the header or the claims of a token. Bytes are used as they are."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(claims: Any, secret: str = API_SECRET, algorithm: str = "HS256", digest: str = "sha256") -> str:
    """Sign a token by HMAC."""
    signed = f"{encoded({'alg': algorithm, 'typ': 'JWT'})}.{encoded(claims)}"
    return f"{signed}.{encoded(hmac.digest(secret.encode(), signed.encode(), digest))}"


def claims_of(user: str, **others: Any) -> dict[str, Any]:
    """Return valid claims of a user of the bootstrap project; None removes one."""
    good = {"api_key": API_KEY, "user_external_id": user, "exp": int(time.time()) + 600}
    return {name: value for name, value in (good | others).items() if value is not None}


def bearer(value: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {value}"}


async def issue(http: httpx.AsyncClient, user: str, **fields: Any) -> dict[str, Any]:
    """Issue a token for a user of the bootstrap project, and return the response."""
    response = await http.post("/v2/jwt/user", headers=ADMIN, json={"external_id": user, **fields})
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found
