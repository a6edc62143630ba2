"""`project keys`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.auth.jwks import read_key
from tests.cli.conftest import Command, error, fields

Printed = Callable[..., str]
KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwk(kid: str) -> dict[str, Any]:
    read = read_key({"pem": PEM, "kid": kid}, "key", [])
    assert read is not None
    return read.jwk


@pytest.fixture
def api_key(printed: Printed) -> str:
    return fields(printed("project", "create", "Shop"))["api key"]


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    """Write a file of keys, and return its path."""

    def write(text: str) -> str:
        path = tmp_path / "keys"
        path.write_text(text)
        return str(path)

    return write


def test_a_pem_is_added_under_a_name_listed_and_removed(
    printed: Printed, api_key: str, file: Callable[[str], str]
) -> None:
    assert printed("project", "keys", "add", api_key, file(PEM), "--kid", "one") == ""
    assert printed("project", "keys", "list", api_key) == "ES256  one\n"
    printed("project", "keys", "remove", api_key, "one")
    assert printed("project", "keys", "list", api_key) == ""


@pytest.mark.parametrize("document", [jwk("a"), {"keys": [jwk("a")]}], ids=["jwk", "jwks"])
def test_json_is_a_jwk_or_a_document_of_several(
    printed: Printed, api_key: str, file: Callable[[str], str], document: Any
) -> None:
    printed("project", "keys", "add", api_key, file(json.dumps(document)))
    assert printed("project", "keys", "list", api_key) == "ES256  a\n"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("{", (), "Error: the file holds neither PEM nor JSON"),
        (PRIVATE, (), "key 1 is a private key, which must stay with you"),
        (json.dumps([1]), (), "key 1 must be a hash"),
        (json.dumps(jwk("a") | {"crv": "P-384"}), (), "key 1: crv must be P-256"),
        (json.dumps({"keys": [jwk("a"), jwk("b")]}), ("--kid", "x"), "--kid names one key, and the file has several"),
    ],
)
def test_a_file_without_a_usable_key_is_refused(
    run: Command, api_key: str, file: Callable[[str], str], text: str, options: tuple[str, ...], message: str
) -> None:
    assert message in error(run("project", "keys", "add", api_key, file(text), *options))


def test_two_keys_cannot_have_one_id(printed: Printed, run: Command, api_key: str, file: Callable[[str], str]) -> None:
    path = file(json.dumps(jwk("a")))
    printed("project", "keys", "add", api_key, path)
    assert error(run("project", "keys", "add", api_key, path)) == "Error: Param 'keys[1].kid' is that of another key"


def test_a_key_that_the_project_has_not_cannot_be_removed(run: Command, api_key: str) -> None:
    assert error(run("project", "keys", "remove", api_key, "none")) == "Error: the project has no key none"
    assert "no project has the key other" in error(run("project", "keys", "list", "other"))
