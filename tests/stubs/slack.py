"""Slack: incoming webhooks, `chat.postMessage` and `oauth.v2.access`, by Slack's own description of its API."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.stubs.http_stub import HttpStub, Received, Reply

_SCHEMAS = json.loads((Path(__file__).parent / "schemas" / "slack.json").read_text())
_TEXTS = {"header": 150, "section": 3000}
MAX_BLOCKS = 50


def _validator() -> Draft202012Validator:
    """Return the schema of the form of `chat.postMessage`. The token is in a header."""
    parameters = _SCHEMAS["paths"]["/chat.postMessage"]["post"]["parameters"]
    fields = [each for each in parameters if each["in"] == "formData"]
    schema = {
        "type": "object",
        "properties": {each["name"]: {"type": each["type"]} for each in fields},
        "required": [each["name"] for each in fields if each.get("required")],
        "additionalProperties": False,
    }
    return Draft202012Validator(schema)


_MESSAGE = _validator()


class SlackStub(HttpStub):
    """Slack with one workspace. `messages` has what it took, by channel or path of the webhook.

    `token` is the bot token that is valid, and `refresh_token` the one that gets the next one. A webhook whose path is
    in `broken` has its reason and status. `images` is whether Slack can fetch images.
    """

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.token = "xoxb-1"
        self.refresh_token = "xoxe-1"
        self.broken: dict[str, tuple[int, str]] = {}
        self.images = True
        self.client_secret = "0123456789abcdef0123456789abcdef"

    def reply(self, request: Received) -> Reply:
        """Do what the path says."""
        match request.path:
            case "/api/chat.postMessage":
                return Reply(200, self._post_message(request))
            case "/api/oauth.v2.access":
                return Reply(200, self._access(dict(parse_qsl(request.body.decode()))))
        return self._webhook(request)

    def _webhook(self, request: Received) -> Reply:
        if request.path in self.broken:
            return Reply(*self.broken[request.path])
        if fault := self._fault({**request.json, "channel": "C0"}):
            return Reply(400, fault)
        self.messages.append((request.path, request.json))
        return Reply(200, "ok")

    def _post_message(self, request: Received) -> dict[str, Any]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token != self.token:
            return {"ok": False, "error": "token_expired" if token.startswith("xoxb-") else "invalid_auth"}
        if fault := self._fault(request.json):
            return {"ok": False, "error": fault}
        self.messages.append((request.json["channel"], request.json))
        return {"ok": True, "channel": request.json["channel"], "ts": f"1503435956.{len(self.messages):06}"}

    def _fault(self, message: dict[str, Any]) -> str:
        """Return the error for a message, "" if it is one. JSON may have lists where a form has them as text."""
        encoded = {
            name: json.dumps(value) if name in ("blocks", "attachments") else value for name, value in message.items()
        }
        if not _MESSAGE.is_valid(encoded):
            return "invalid_arguments"
        if not message.get("text") and not message.get("blocks"):
            return "no_text"
        if len(message.get("text", "")) > 40_000:
            return "msg_too_long"
        blocks = message.get("blocks", [])
        return "" if len(blocks) <= MAX_BLOCKS and all(map(self._is_block, blocks)) else "invalid_blocks"

    def _is_block(self, block: dict[str, Any]) -> bool:
        match block:
            case {"type": ("header" | "section") as name, "text": {"type": kind, "text": text}}:
                is_kind = kind == "plain_text" if name == "header" else kind in ("plain_text", "mrkdwn")
                return is_kind and 1 <= len(text) <= _TEXTS[name]
            case {"type": "image", "image_url": url, "alt_text": text}:
                return self.images and len(url) <= 3000 and 1 <= len(text) <= 2000
            case {"type": "context", "elements": elements}:
                return 1 <= len(elements) <= 10
        return False

    def _access(self, form: dict[str, str]) -> dict[str, Any]:
        if form.get("client_secret") != self.client_secret:
            return {"ok": False, "error": "bad_client_secret"}
        if form.get("grant_type") != "refresh_token":
            return {"ok": False, "error": "invalid_code"}
        if form.get("refresh_token") != self.refresh_token:
            return {"ok": False, "error": "invalid_refresh_token"}
        number = int(self.refresh_token.partition("-")[2]) + 1
        self.token, self.refresh_token = f"xoxb-{number}", f"xoxe-{number}"
        return {
            "ok": True,
            "access_token": self.token,
            "refresh_token": self.refresh_token,
            "expires_in": 43200,
            "token_type": "bot",
            "scope": "chat:write",
        }
