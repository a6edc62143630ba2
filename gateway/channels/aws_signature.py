"""Signatures of requests to AWS, version 4 (docs.aws.amazon.com, "Create a signed AWS API request").

aiobotocore would do this too, with 44 MB in 18 packages and an HTTP client of its own, beside the one whose addresses,
time limits and errors all other providers share. The signature is judged by botocore in `tests/channels/test_ses.py`.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit


class Credentials(NamedTuple):
    """An access key, for one service in one region."""

    key_id: str
    secret: str
    region: str
    service: str


def signed(
    credentials: Credentials, method: str, url: str, headers: Mapping[str, str], body: bytes, now: float
) -> dict[str, str]:
    """Return the headers of a request with its signature. `now` is the unix time.

    The path of the URL needs no encoding, and there is no query.
    """
    parts = urlsplit(url)
    time = datetime.fromtimestamp(int(now), UTC).strftime("%Y%m%dT%H%M%SZ")
    all_headers = {**headers, "Host": parts.netloc, "X-Amz-Date": time}
    canonical = sorted((name.lower(), " ".join(value.split())) for name, value in all_headers.items())
    names = ";".join(name for name, _ in canonical)
    lines = "".join(f"{name}:{value}\n" for name, value in canonical)
    request = f"{method}\n{parts.path or '/'}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{time[:8]}/{credentials.region}/{credentials.service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={credentials.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return {**all_headers, "Authorization": authorization}
