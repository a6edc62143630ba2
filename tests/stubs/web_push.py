"""A push service of browsers, as RFC 8030, RFC 8291 and RFC 8292 describe it."""

import base64
from typing import Any
from urllib.parse import urlsplit

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.stubs.http_stub import HttpStub, Received, Reply

MAX_BODY = 4096
AUTH = bytes(range(16))


def decoded(text: str) -> bytes:
    """Return the bytes of base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class WebPushStub(HttpStub):
    """A push service with one browser. `received` has what the browser decrypted."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[bytes] = []
        self.claims: list[dict[str, Any]] = []
        self._browser = generate_private_key(SECP256R1())

    @property
    def subscription(self) -> dict[str, Any]:
        """Return the subscription of the browser, as it is registered."""
        point = self._browser.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        encoded = (base64.urlsafe_b64encode(raw).rstrip(b"=").decode() for raw in (point, AUTH))
        return {"endpoint": f"{self.url}/push/1", "keys": dict(zip(("p256dh", "auth"), encoded, strict=True))}

    def reply(self, request: Received) -> Reply:
        """Check a message, and decrypt it for the browser."""
        if len(request.body) > MAX_BODY:
            return Reply(413)
        if not request.headers.get("ttl", "").isdigit() or request.headers["content-encoding"] != "aes128gcm":
            return Reply(400)
        if len(request.headers.get("topic", "")) > 32:
            return Reply(400)
        scheme, _, parameters = request.headers["authorization"].partition(" ")
        found = dict(each.strip().split("=", 1) for each in parameters.split(","))
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), decoded(found["k"]))
        claims = jwt.decode(found["t"], key, algorithms=["ES256"], audience=f"http://{urlsplit(self.url).netloc}")
        if scheme != "vapid":
            return Reply(401)
        self.claims.append(claims)
        self.received.append(http_ece.decrypt(request.body, private_key=self._browser, auth_secret=AUTH))
        return Reply(201, headers={"Location": f"{self.url}/m/1"})
