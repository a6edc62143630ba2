"""Configurations: checked, completed with saved secrets, and shown without them."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.channels import aws_sns
from gateway.channels.example_keys import CERTIFICATE, EC_PRIVATE_KEY, RSA_PRIVATE_KEY
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.registry import INTEGRATION_KINDS
from gateway.channels.secret_param import REDACTED, Secret
from gateway.domain.objects import Object
from gateway.domain.outbound import PUBLIC_ONLY, OutboundRules
from gateway.domain.params import Problems, Text
from tests.outbound import LOOPBACK

INTEGRATIONS_BY_NAME = {kind.name: kind for kind in INTEGRATION_KINDS}

P384_KEY = (
    ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
)
SMALL_RSA_KEY = (
    rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)

GARBLED_KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


def faults(kind: IntegrationKind, value: Any, rules: OutboundRules = PUBLIC_ONLY, saved: Any = None) -> list[str]:
    """Return the messages about a configuration."""
    problems = Problems(strict=True, outbound=rules)
    values = kind.config.read(value, "", problems)
    if not problems:
        kind.complete(values, saved, problems)
    return list(problems)


@pytest.mark.parametrize("kind", INTEGRATION_KINDS, ids=lambda kind: kind.name)
def test_the_example_of_a_kind_is_valid_and_saved_as_it_is(kind: IntegrationKind) -> None:
    assert faults(kind, kind.example) == []
    problems = Problems(strict=True)
    assert kind.complete(kind.config.read(kind.example, "", problems), None, problems) == dict(kind.example)


def test_the_kinds_are_those_of_the_contract_and_smtp() -> None:
    contract = "apns awssns eventsource expo fcm github inbox mailgun ping_email sendgrid ses slack smtp stripe"
    assert " ".join(sorted(INTEGRATIONS_BY_NAME)) == f"{contract} templates twilio web_push"
    assert len({kind.config.name for kind in INTEGRATION_KINDS}) == len(INTEGRATION_KINDS)


def of(kind: str, **changes: Any) -> Any:
    """Return the example of a kind with some fields changed."""
    return {**INTEGRATIONS_BY_NAME[kind].example, **changes}


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        ("apns", of("apns", certificate=RSA_PRIVATE_KEY), "'certificate' must be an EC private key on P-256 in PEM"),
        ("apns", of("apns", certificate=P384_KEY), "'certificate' must be an EC private key on P-256 in PEM"),
        ("apns", of("apns", certificate=GARBLED_KEY), "'certificate' must be an EC private key on P-256 in PEM"),
        ("apns", of("apns", certificate="x"), "'certificate' must be a key in P8 format"),
        ("apns", of("apns", key_id="short"), "'key_id' must have at least 10 characters"),
        ("apns", of("apns", team_id="x" * 11), "'team_id' must have at most 10 characters"),
        ("apns", of("apns", badge="all"), "'badge' must be one of unread, unseen"),
        ("apns", of("apns", payload_version=3), "'payload_version' must be one of 1, 2"),
        ("apns", of("apns", payload_version=True), "'payload_version' must be one of 1, 2"),
        ("apns", of("apns", app_id="a..b"), "'app_id' must be an app's bundle id, such as com.example.app"),
        ("awssns", of("awssns", webhook_signing_secret="x"), "must be a certificate with an RSA key in PEM"),
        ("awssns", of("awssns", webhook_signing_secret="\ud800"), "must be a certificate with an RSA key in PEM"),
        ("expo", {}, "'access_token' is missing"),
        ("fcm", of("fcm", private_key=EC_PRIVATE_KEY), "'private_key' must be an RSA private key of 2048 bits"),
        ("fcm", of("fcm", private_key=SMALL_RSA_KEY), "'private_key' must be an RSA private key of 2048 bits"),
        ("fcm", of("fcm", private_key="x" * 9000), "'private_key' must have at most 8192 characters"),
        (
            "fcm",
            of("fcm", token_uri="https://10.0.0.1/"),
            "'token_uri' must have a public address, or one in INBOX_OUTBOUND_ALLOWED_NETWORKS",
        ),
        ("fcm", of("fcm", type="user"), "'type' must be one of service_account"),
        ("github", of("github", webhook_signing_secret="x" * 101), "must have at most 100 characters"),
        ("inbox", of("inbox", locale="e"), "'locale' must have at least 2 characters"),
        ("inbox", of("inbox", theme={"banner": {"backgroundOpacity": 2}}), "'theme.banner.backgroundColor' is missing"),
        ("mailgun", of("mailgun", domain="a/b"), "'domain' must be a domain such as mg.example.com"),
        ("ping_email", of("ping_email", url="https://a.example.com/" + "x" * 100), "must have at most 100 characters"),
        ("ping_email", of("ping_email", url="http://example.com"), "'url' must be an https address"),
        ("sendgrid", of("sendgrid", reply_to={}), "'reply_to.email' is missing"),
        ("ses", of("ses", region="evil.example.com/"), "'region' must be a region such as eu-central-1"),
        (
            "ses",
            of("ses", endpoint="https://example.com"),
            "is only for a gateway with INBOX_OUTBOUND_ALLOWED",
        ),
        ("slack", of("slack", client_id="x"), "'client_id' must be an id such as 1234.5678"),
        ("slack", of("slack", signing_secret="x" * 31), "'signing_secret' must have at least 32 characters"),
        ("smtp", of("smtp", host="localhost"), "'host' must have a public host name"),
        ("smtp", of("smtp", host="a b"), "'host' must be a host name"),
        ("smtp", of("smtp", **{"from": {"email": "a@b.c", "name": "a\nb"}}), "'from.name' must be one line"),
        ("templates", {"a": "x" * 40_000}, "must have at most 32768 bytes as JSON"),
        ("twilio", of("twilio", **{"from": "015005550006"}), "'from' must be a phone number in E.164 format"),
        ("twilio", of("twilio", region="de1"), "'region' must be one of us1, ie1, au1"),
        ("web_push", of("web_push", private_key="x" * 43 + "!"), "must be a private key on P-256, 32 bytes"),
        ("web_push", of("web_push", private_key="A" * 43), "must be a private key on P-256, 32 bytes"),
        ("web_push", of("web_push", public_key="A" * 87), "must be a public key on P-256, 65 bytes"),
        ("web_push", of("web_push", public_key="x" * 7), "'public_key' must have at least 8 characters"),
        (
            "web_push",
            of("web_push", private_key=base64.urlsafe_b64encode(b"\1" * 32).decode()),
            "'public_key' must be the public half of 'private_key'",
        ),
        ("stripe", of("stripe", extra=1), "Param 'extra'"),
    ],
)
def test_a_configuration_that_is_not_valid_is_refused_by_field(kind: str, config: Any, expected: str) -> None:
    found = faults(INTEGRATIONS_BY_NAME[kind], config)
    assert any(expected in message for message in found), found
    assert not any(value in json.dumps(found) for value in ("AAAA", "MIGH", "MIIE"))


def test_a_key_is_accepted_however_its_lines_end_and_its_dashes_are_written() -> None:
    for certificate in (EC_PRIVATE_KEY.replace("\n", "\r\n"), EC_PRIVATE_KEY.strip().replace("-----", "---")):
        assert faults(INTEGRATIONS_BY_NAME["apns"], of("apns", certificate=certificate)) == []
    assert faults(INTEGRATIONS_BY_NAME["awssns"], {"webhook_signing_secret": CERTIFICATE.replace("\n", "\r\n")}) == []


def test_an_endpoint_of_ses_is_accepted_under_development() -> None:
    rules = LOOPBACK
    assert faults(INTEGRATIONS_BY_NAME["ses"], of("ses", endpoint="http://127.0.0.1:4566"), rules) == []
    assert faults(INTEGRATIONS_BY_NAME["ses"], of("ses", endpoint="http://10.0.0.1"), rules) != []
    assert faults(INTEGRATIONS_BY_NAME["smtp"], of("smtp", host="127.0.0.1"), rules) == []


# ---- redacted secrets

NESTED = IntegrationKind(
    name="nested",
    title="Nested",
    config=Object(
        fields={
            "host": Text(max_length=9),
            "key": Secret(value=Text(max_length=9)),
            "user": Object(fields={"token": Secret(value=Text(max_length=9)), "name": Text(max_length=9)}),
        }
    ),
    example={},
    nullable=("host",),
    destination=("host",),
)
SAVED = {"host": "a", "key": "k", "user": {"token": "t", "name": "n"}}


def completed(sent: Any, saved: Any = SAVED) -> tuple[dict[str, Any], list[str]]:
    """Return a sent configuration with the saved secrets, and the messages."""
    problems: list[str] = []
    return NESTED.complete(NESTED.config.read(sent, "", problems), saved, problems), problems


def test_a_redacted_secret_keeps_the_saved_one_at_any_depth() -> None:
    sent = {"host": "a", "key": REDACTED, "user": {"token": REDACTED, "name": "m"}}
    assert completed(sent) == ({"host": "a", "key": "k", "user": {"token": "t", "name": "m"}}, [])


def test_a_secret_that_is_left_out_is_removed_and_a_sent_one_replaces_it() -> None:
    assert completed({"host": "a", "key": "new"}) == ({"host": "a", "key": "new"}, [])


def test_a_redacted_secret_is_refused_where_nothing_is_saved() -> None:
    for saved in (None, {"host": "a"}):
        _, problems = completed({"host": "a", "key": REDACTED}, saved)
        assert problems == ["Param 'key' is redacted, and there is no saved value to keep"]


def test_a_secret_is_not_kept_for_another_destination() -> None:
    _, problems = completed({"host": "b", "key": REDACTED})
    assert problems == ["Param 'key' must be sent again, because 'host' has changed"]
    assert completed({"host": "b", "key": "k2"}) == ({"host": "b", "key": "k2"}, [])


def test_a_shown_configuration_has_no_secret_and_every_field_that_may_be_null() -> None:
    assert NESTED.shown({"user": {"name": "n"}}, ("key", "user.token", "gone.x")) == {
        "host": None,
        "key": REDACTED,
        "user": {"name": "n", "token": REDACTED},
    }


def test_the_schema_of_a_secret_is_that_of_its_value_and_says_how_it_is_kept() -> None:
    described = Secret(value=Text(max_length=9), description="A key.").schema()
    kept = "`********` keeps the saved value."
    assert described == {"type": ["string", "null"], "maxLength": 9, "description": f"A key. {kept}"}
    assert Secret(required=True, value=Text(max_length=9)).schema()["description"] == kept


def test_an_rsa_key_whose_numbers_do_not_belong_together_is_refused() -> None:
    lines = RSA_PRIVATE_KEY.splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[400] ^= 1  # within the private exponent
    garbled = "\n".join([lines[0], base64.b64encode(der).decode(), lines[-1]])
    assert faults(INTEGRATIONS_BY_NAME["fcm"], of("fcm", private_key=RSA_PRIVATE_KEY)) == []
    assert faults(INTEGRATIONS_BY_NAME["fcm"], of("fcm", private_key=garbled)) == [
        "Param 'private_key' must be an RSA private key of 2048 bits or more in PEM"
    ]


def test_a_certificate_with_a_key_that_cannot_be_read_is_refused() -> None:
    lines = CERTIFICATE.splitlines()
    der = base64.b64decode("".join(lines[1:-1]))
    rsa = bytes.fromhex("2a864886f70d010101")  # rsaEncryption (RFC 8017, appendix C)
    for other in (rsa[:-1] + b"\x7f", bytes.fromhex("2a864886f70d010107")):
        first, _, rest = der.rpartition(rsa)
        encoded = base64.b64encode(first + other + rest).decode()
        problems: list[str] = []
        pem = "\n".join([lines[0], encoded, lines[-1]])
        aws_sns.INTEGRATION.config.read({"webhook_signing_secret": pem}, "", problems)
        assert problems == ["Param 'webhook_signing_secret' must be a certificate with an RSA key in PEM"]
