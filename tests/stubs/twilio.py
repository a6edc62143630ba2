"""Twilio: the messages of an account, with the fields of Twilio's own API description."""

import base64
import json
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.stubs.http_stub import HttpStub, Received, Reply

_SCHEMAS = json.loads((Path(__file__).parent / "schemas" / "twilio.json").read_text())
_PATH = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
_FORM = _SCHEMAS["paths"][_PATH]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
_VALIDATOR = Draft202012Validator({**_FORM, "additionalProperties": False, "components": _SCHEMAS["components"]})
_TYPES = {name: field.get("type") for name, field in _FORM["properties"].items()}


class TwilioStub(HttpStub):
    """Twilio with one account and one key. `messages` has the form of each message, `results` the state of each by sid.

    A number in `errors` has the code of the error and its status.
    """

    def __init__(self, account: str, key: str, secret: str) -> None:
        super().__init__()
        self.messages: list[dict[str, str]] = []
        self.results: dict[str, dict[str, Any]] = {}
        self.errors: dict[str, tuple[int, int]] = {}
        self._base = f"/2010-04-01/Accounts/{account}/"
        self._credentials = "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()

    def reply(self, request: Received) -> Reply:
        """Do what the path says."""
        if request.headers.get("authorization") != self._credentials:
            return _error(20003, 401)
        path, _, _ = request.path.partition("?")
        if not path.startswith(self._base):
            return _error(20404, 404)
        match request.method, path.removeprefix(self._base):
            case "POST", "Messages.json":
                return self._create(dict(parse_qsl(request.body.decode(), keep_blank_values=True)))
            case "GET", "IncomingPhoneNumbers.json":
                return Reply(200, {"incoming_phone_numbers": []})
            case "GET", name if result := self.results.get(name.removeprefix("Messages/").removesuffix(".json")):
                return Reply(200, result)
        return _error(20404, 404)

    def _create(self, form: dict[str, str]) -> Reply:
        is_valid = _VALIDATOR.is_valid({name: _typed(name, text) for name, text in form.items()})
        if not is_valid or not 1 <= int(form.get("ValidityPeriod", 1)) <= 36_000:
            return _error(21601, 400)
        for name, code in (("To", 21604), ("From", 21603), ("Body", 21602)):
            if not form.get(name):
                return _error(code, 400)
        if len(form["Body"]) > 1600:
            return _error(21617, 400)
        if form["To"] in self.errors:
            return _error(*self.errors[form["To"]])
        self.messages.append(form)
        sid = f"SM{len(self.messages):032x}"
        self.results[sid] = {
            "sid": sid,
            "status": "queued",
            "error_code": None,
            "date_created": formatdate(),
            "to": form["To"],
            "from": form["From"],
        }
        return Reply(201, self.results[sid])


def _typed(name: str, text: str) -> Any:
    """Return the text of a form as the type that its field has, the text itself if it is of another type."""
    if _TYPES.get(name) == "integer" and text.isdigit():
        return int(text)
    return text == "true" if _TYPES.get(name) == "boolean" and text in ("true", "false") else text


def _error(code: int, status: int) -> Reply:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return Reply(status, {"code": code, "message": "An error", "more_info": more, "status": status})
