"""SendGrid, Mailgun and SES: stubs that check requests by the services' own descriptions of their APIs."""

import json
from email.parser import BytesParser
from email.policy import HTTP
from functools import cache
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.stubs.http_stub import HttpStub, Received, Reply

_SCHEMAS = Path(__file__).parent / "schemas"


@cache
def _description(name: str) -> Any:
    return json.loads((_SCHEMAS / f"{name}.json").read_text())


def faults_by(name: str, path: str, media_type: str, value: Any) -> list[str]:
    """Return what is wrong with a request by the OpenAPI document of a service."""
    document = _description(name)
    schema = {**_schema(document, path, media_type), "components": document["components"]}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(value)]


def _schema(document: Any, path: str, media_type: str) -> Any:
    body = document["paths"][path]["post"]["requestBody"]
    return _resolved(document, body)["content"][media_type]["schema"]


def _resolved(document: Any, value: Any) -> Any:
    """Return a value, or what it refers to."""
    for name in value["$ref"].split("/")[1:] if "$ref" in value else ():
        document = document[name]
    return document if "$ref" in value else value


class SendgridStub(HttpStub):
    """SendGrid with one key. `mails` are the requests that it took."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[dict[str, Any]] = []
        self.key = "SG.an-example-of-a-key"
        self.scopes = ["mail.send"]

    def reply(self, request: Received) -> Reply:
        """Take a mail, or list what the key may do."""
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return Reply(401, {"errors": [{"message": "authorization required", "field": None}]})
        if request.path == "/v3/scopes":
            return Reply(200, {"scopes": self.scopes})
        faults = faults_by("sendgrid", "/v3/mail/send", "application/json", request.json)
        if faults:
            return Reply(400, {"errors": [{"message": fault, "field": "personalizations.0.to"} for fault in faults]})
        self.mails.append(request.json)
        return Reply(202, "", {"X-Message-Id": f"sg-{len(self.mails)}"})


class MailgunStub(HttpStub):
    """Mailgun with one key and one domain. `mails` are the forms that it took."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[dict[str, str]] = []
        self.state = "active"

    def reply(self, request: Received) -> Reply:
        """Take a mail, or show the domain."""
        if request.headers.get("authorization") != "Basic YXBpOmtleS0zYXg2eG5qcDI5amQ2ZmRzNGdjMzczc2d2anh0ZW9sMA==":
            return Reply(401, "Forbidden")
        if request.path == "/v4/domains/mg.example.com":
            return Reply(200, {"domain": {"name": "mg.example.com", "state": self.state}})
        if request.path != "/v3/mg.example.com/messages":
            return Reply(404, {"message": "Domain not found"})
        form = self._form(request)
        lists = {name: [value] if name == "to" else value for name, value in form.items()}
        path, media_type = "/v3/{domain_name}/messages", "multipart/form-data"
        known = set(_properties("mailgun", path, media_type))
        unknown = [name for name in form if name not in known and not name.startswith(("h:", "v:"))]
        faults = faults_by("mailgun", path, media_type, lists) + unknown
        if faults:
            return Reply(400, {"message": "; ".join(faults)})
        self.mails.append(form)
        return Reply(200, {"id": f"<mg-{len(self.mails)}@mg.example.com>", "message": "Queued. Thank you."})

    def _form(self, request: Received) -> dict[str, str]:
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        parsed = BytesParser(policy=HTTP).parsebytes(head + request.body)
        assert not parsed.defects
        return {
            str(part.get_param("name", header="content-disposition")): _decoded(part) for part in parsed.iter_parts()
        }


def _decoded(part: Any) -> str:
    content: bytes = part.get_payload(decode=True)
    return content.decode()


def _properties(name: str, path: str, media_type: str) -> dict[str, Any]:
    document = _description(name)
    found: dict[str, Any] = _resolved(document, _schema(document, path, media_type))["properties"]
    return found


class SesStub(HttpStub):
    """SES with one access key. botocore verifies the signatures. `mails` are the requests that it took."""

    def __init__(self, key_id: str, secret: str, region: str):
        super().__init__()
        self.mails: list[dict[str, Any]] = []
        self.sending_enabled = True
        self._credentials = Credentials(key_id, secret)
        self._region = region

    def reply(self, request: Received) -> Reply:
        """Take a mail, or show the account."""
        if request.headers.get("authorization") != self._authorization(request):
            return Reply(403, {"message": "The signature does not match"}, error_of("SignatureDoesNotMatchException"))
        if request.path == "/v2/email/account":
            return Reply(200, {"SendingEnabled": self.sending_enabled})
        self.mails.append(request.json)
        return Reply(200, {"MessageId": f"ses-{len(self.mails)}"})

    def _authorization(self, request: Received) -> str:
        """Return the signature that botocore makes of what came."""
        names = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        headers = {name: request.headers[name] for name in names}
        again = AWSRequest(request.method, f"{self.url}{request.path}", headers=headers, data=request.body)
        signer = SigV4Auth(self._credentials, "ses", self._region)
        again.context["timestamp"] = headers["x-amz-date"]
        text = signer.string_to_sign(again, signer.canonical_request(again))
        return (
            f"AWS4-HMAC-SHA256 Credential={signer.scope(again)}, SignedHeaders={';'.join(names)}, "
            f"Signature={signer.signature(text, again)}"
        )


def error_of(name: str) -> dict[str, str]:
    """Return the header with the name of an error."""
    return {"x-amzn-ErrorType": f"{name}:http://internal.amazon.com/coral/com.amazon.coral.service/"}
