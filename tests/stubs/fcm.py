"""A stub of FCM's HTTP v1 API and of Google's token endpoint. Messages are checked by the official schema.

`answers` has the replies by registration token. `error` makes one.
"""

import itertools
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.stubs.http_stub import HttpStub, Received, Reply

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
MAX_BYTES = 4096
RESERVED = ("from", "message_type", "google.", "gcm.")

_SCHEMAS = json.loads((Path(__file__).parent / "schemas" / "fcm.v1.json").read_text())["schemas"]


def _json_schema(value: Any) -> Any:
    """Return a schema of a discovery document as a JSON schema, in which unknown names are errors."""
    if isinstance(value, list):
        return [_json_schema(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _json_schema(each) for name, each in value.items() if name != "format"}
    if isinstance(found.get("$ref"), str):
        found["$ref"] = f"#/$defs/{found['$ref']}"
    if found.get("type") == "any":
        del found["type"]
    if isinstance(found.get("properties"), dict):
        found["additionalProperties"] = False
    return found


_VALIDATOR = Draft202012Validator({"$ref": "#/$defs/SendMessageRequest", "$defs": _json_schema(_SCHEMAS)})


def error(
    status: int,
    name: str,
    code: str = "",
    field: str = "",
    headers: dict[str, str] | None = None,
    text: str = "It failed.",
) -> Reply:
    """Return an error in Google's form: with the details of FCM if there is a `code`, and the field at fault."""
    details: list[dict[str, Any]] = []
    if code:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
    if field:
        violation = {"field": field, "description": "Invalid value"}
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]})
    return Reply(
        status, {"error": {"code": status, "message": text, "status": name, "details": details}}, headers or {}
    )


UNREGISTERED = error(404, "NOT_FOUND", "UNREGISTERED")


class FcmStub(HttpStub):
    """FCM with one project. `public_key` verifies assertions, and `client_email` is the account."""

    def __init__(self, public_key: Any, project_id: str = "example", client_email: str = ""):
        super().__init__()
        self.public_key = public_key
        self.project_id = project_id
        self.client_email = client_email
        self.answers: dict[str, Reply] = {}
        self.token_faults: list[Reply] = []
        self.access_tokens: set[str] = set()
        self.token_requests = 0
        self.messages: list[dict[str, Any]] = []
        """What was accepted."""
        self.validated = 0
        self._numbers = itertools.count(1)

    def reply(self, request: Received) -> Reply:
        """Return Google's reply."""
        path, headers, body = request.path, request.headers, request.body
        if path == "/token":
            self.token_requests += 1
            return self.token_faults.pop(0) if self.token_faults else self._token(body)
        if path != f"/v1/projects/{self.project_id}/messages:send":
            return Reply(404, "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>")
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.access_tokens:
            return error(401, "UNAUTHENTICATED")
        return self._send(body)

    def _token(self, body: bytes) -> Reply:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return Reply(400, {"error": "unsupported_grant_type"})
        try:
            claims = jwt.decode(
                form["assertion"], self.public_key, ["RS256"], {"verify_aud": False, "verify_iat": False}
            )
        except (jwt.InvalidTokenError, KeyError):
            return Reply(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        if claims["exp"] - claims["iat"] > 3600 or not claims["aud"].endswith("/token"):
            return Reply(400, {"error": "invalid_grant"})
        if claims["scope"] != SCOPE or self.client_email not in ("", claims["iss"]):
            return Reply(401, {"error": "unauthorized_client"})
        token = f"ya29.{next(self._numbers)}"
        self.access_tokens.add(token)
        return Reply(200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def _send(self, body: bytes) -> Reply:
        try:
            request = json.loads(body)
        except ValueError:
            return error(400, "INVALID_ARGUMENT")
        faults = [*_VALIDATOR.iter_errors(request)]
        if faults:
            return error(
                400, "INVALID_ARGUMENT", "", ".".join(map(str, faults[0].absolute_path)), text=faults[0].message
            )
        message = request["message"]
        if sum(name in message for name in ("token", "topic", "condition", "fid")) != 1:
            return error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message")
        if any(name.startswith(RESERVED) for name in message.get("data", {})):
            return error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.data")
        if len(json.dumps({**message, "token": ""}, ensure_ascii=False).encode()) > MAX_BYTES + 400:  # its white space
            return error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message")
        answer = self.answers.get(message.get("token", ""))
        if answer is not None:
            return answer
        if request.get("validateOnly"):
            self.validated += 1
        else:
            self.messages.append(message)
        return Reply(200, {"name": f"projects/{self.project_id}/messages/0:{next(self._numbers)}"})
