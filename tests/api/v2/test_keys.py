"""Public keys: registering them, signing with them, and attacks through the header of a token."""

import base64
import hmac
import json
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.api.inbox import code, messages, notification
from tests.api.projects import Project, command, project_of
from tests.api.tokens import bearer, claims_of, encoded, token
from tests.servers import ADMIN, Gateway

RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def pem(key: PrivateKey) -> str:
    """Return the public half as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def jwk(key: PrivateKey, **more: Any) -> dict[str, Any]:
    """Return the public half as a JWK."""
    algorithm: Any = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    members = dict(json.loads(algorithm.to_jwk(key.public_key())))
    members.pop("key_ops", None)
    return members | more


def signed(key: PrivateKey, project: Project, user: str = "ada", kid: str | None = None, **claims: Any) -> str:
    """Sign a user's token as a customer's backend does."""
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    headers = {"kid": kid} if kid is not None else None
    return jwt.encode(claims_of(user, api_key=project.api_key, **claims), key, algorithm=algorithm, headers=headers)


async def put(http: httpx.AsyncClient, project: Project, *keys: Any) -> list[dict[str, str]]:
    """Replace a project's keys, and return the stored ones."""
    response = await http.put("/v2/jwt/keys", headers=project.admin, json={"keys": list(keys)})
    assert response.status_code == 200, response.text
    assert (await http.get("/v2/jwt/keys", headers=project.admin)).json() == response.json()
    found: list[dict[str, str]] = response.json()["keys"]
    return found


async def status(http: httpx.AsyncClient, value: str) -> int | str:
    """Make a call with a token, and return 200 or the code of the error."""
    response = await http.get("/config", headers=bearer(value))
    return 200 if response.status_code == 200 else code(response)


@pytest.fixture(scope="module")
def project(gateway: Gateway) -> Project:
    """A project whose keys each test replaces."""
    return project_of(command(gateway, "project", "create", "keys"))


# ---- signing


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY], ids=["rsa", "ec"])
@pytest.mark.parametrize("form", ["jwk", "pem"])
@pytest.mark.parametrize("kid", ["named", "unnamed", "silent"])
async def test_a_token_that_a_registered_key_signed_opens_the_inbox(
    http: httpx.AsyncClient, project: Project, user: str, key: PrivateKey, form: str, kid: str
) -> None:
    named = {"kid": "2025"} if kid == "named" else {}
    (found,) = await put(http, project, jwk(key, **named) if form == "jwk" else {"pem": pem(key), **named})
    assert found["kid"] == "2025" if kid == "named" else len(found["kid"]) == 43
    await http.post("/notifications", headers=project.admin, json=notification(user))
    one = signed(key, project, user, kid=None if kid == "silent" else found["kid"])
    assert (await http.get("/notifications", headers=bearer(one))).json()["total"] == 1


async def test_each_of_several_keys_of_a_kind_is_valid(http: httpx.AsyncClient, project: Project) -> None:
    await put(http, project, jwk(RSA_KEY, kid="a"), jwk(OTHER_RSA_KEY, kid="b"), jwk(EC_KEY))
    for key in (RSA_KEY, OTHER_RSA_KEY, EC_KEY):
        assert await status(http, signed(key, project)) == 200
    assert await status(http, signed(OTHER_RSA_KEY, project, kid="b")) == 200
    assert await status(http, signed(OTHER_RSA_KEY, project, kid="a")) == "token_is_incorrect"
    assert await status(http, signed(OTHER_RSA_KEY, project, kid="c")) == "token_is_incorrect"


async def test_the_secret_stays_valid_beside_keys(http: httpx.AsyncClient, project: Project) -> None:
    await put(http, project, jwk(RSA_KEY))
    assert await status(http, token(claims_of("ada", api_key=project.api_key), project.api_secret)) == 200


async def test_a_removed_key_is_refused(http: httpx.AsyncClient, project: Project) -> None:
    await put(http, project, jwk(RSA_KEY), jwk(EC_KEY))
    await put(http, project, jwk(EC_KEY))
    assert await status(http, signed(RSA_KEY, project)) == "token_is_incorrect"
    assert await status(http, signed(EC_KEY, project)) == 200


async def test_keys_outlive_a_rotation_of_the_secret(http: httpx.AsyncClient, gateway: Gateway) -> None:
    project = project_of(command(gateway, "project", "create", "rotated"))
    await put(http, project, jwk(RSA_KEY))
    command(gateway, "project", "rotate-secret", project.api_key, "--overlap", "0")
    assert await status(http, signed(RSA_KEY, project)) == 200


async def test_claims_are_checked_as_in_any_token(http: httpx.AsyncClient, project: Project) -> None:
    await put(http, project, jwk(EC_KEY))
    assert await status(http, signed(EC_KEY, project, exp=int(time.time()) - 1)) == "token_expired"
    assert await status(http, signed(EC_KEY, project, exp=None)) == "token_is_incorrect"
    assert await status(http, signed(EC_KEY, project, user_external_id=None)) == "token_is_incorrect"


async def test_a_token_of_a_key_opens_no_backend_call(http: httpx.AsyncClient, project: Project) -> None:
    await put(http, project, jwk(EC_KEY))
    issued = (await http.post("/v2/jwt/project", headers=project.admin, json={"name": "x"})).json()
    claims = jwt.decode(issued["token"], project.api_secret, algorithms=["HS256"])
    forged = jwt.encode(claims, EC_KEY, algorithm="ES256")
    response = await http.get("/v2/jwt/project", headers=bearer(forged))
    assert (response.status_code, code(response)) == (401, "token_is_incorrect")


async def test_another_projects_key_is_refused(http: httpx.AsyncClient, gateway: Gateway, project: Project) -> None:
    other = project_of(command(gateway, "project", "create", "other"))
    await put(http, other, jwk(RSA_KEY, kid="a"))
    for kid in (None, "a"):
        assert await status(http, signed(RSA_KEY, project, kid=kid)) == "token_is_incorrect"


# ---- attacks


async def test_the_text_of_a_public_key_is_not_accepted_as_an_hmac_secret(
    http: httpx.AsyncClient, project: Project
) -> None:
    for key in (RSA_KEY, EC_KEY):
        (found,) = await put(http, project, jwk(key, kid="a"))
        for text in (pem(key), pem(key).strip(), json.dumps(found), json.dumps(jwk(key)), found.get("n", "x")):
            for algorithm in ("HS256", found["alg"]):
                for kid in ({}, {"kid": "a"}):
                    head = f"{encoded({'alg': algorithm, **kid})}.{encoded(claims_of('ada', api_key=project.api_key))}"
                    forged = f"{head}.{hmac_of(text, head)}"
                    assert await status(http, forged) == "token_is_incorrect"


def hmac_of(secret: str, text: str) -> str:
    """Return the signature that HS256 would produce."""
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), text.encode(), "sha256")).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "RS384", "RS512", "PS256", "ES384", "HS512"])
@pytest.mark.parametrize("kid", [{}, {"kid": "a"}])
async def test_no_other_algorithm_is_accepted_whatever_the_header_claims(
    http: httpx.AsyncClient, project: Project, algorithm: str, kid: dict[str, str]
) -> None:
    await put(http, project, jwk(RSA_KEY, kid="a"))
    _, claims, signature = signed(RSA_KEY, project).split(".")
    head = encoded({"alg": algorithm, **kid})
    assert await status(http, f"{head}.{claims}.") == "token_is_incorrect"
    assert await status(http, f"{head}.{claims}.{signature}") == "token_is_incorrect"
    if algorithm in ("RS384", "RS512", "PS256"):
        strange = jwt.encode(claims_of("ada", api_key=project.api_key), RSA_KEY, algorithm=algorithm, headers=kid)
        assert await status(http, strange) == "token_is_incorrect"


async def test_a_key_in_the_header_of_a_token_is_not_used(http: httpx.AsyncClient, project: Project) -> None:
    await put(http, project, jwk(RSA_KEY, kid="a"))
    for headers in ({"jwk": jwk(OTHER_RSA_KEY)}, {"jku": "https://example.com/jwks"}, {"x5u": "https://example.com"}):
        for kid in ({}, {"kid": "a"}):
            forged = jwt.encode(
                claims_of("ada", api_key=project.api_key), OTHER_RSA_KEY, algorithm="RS256", headers=headers | kid
            )
            assert await status(http, forged) == "token_is_incorrect"


# ---- keys that are not valid

SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
P384 = ec.generate_private_key(ec.SECP384R1())
PRIVATE_PEM = RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
ENCRYPTED_PEM = RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()
PRIVATE_JWK = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("x", ["Param 'keys[0]' must be a hash"]),
        ({}, ["Param 'keys[0].kty' must be one of RSA, EC"]),
        ({"kty": "oct", "k": "c2VjcmV0"}, ["Param 'keys[0].k' is of a private key, which must stay with you"]),
        ({"kty": "oct"}, ["Param 'keys[0].kty' must be one of RSA, EC"]),
        ({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, ["Param 'keys[0].kty' must be one of RSA, EC"]),
        (
            PRIVATE_JWK,
            [
                f"Param 'keys[0].{name}' is of a private key, which must stay with you"
                for name in ("d", "p", "q", "dp", "dq", "qi")
            ],
        ),
        ({"pem": PRIVATE_PEM}, ["Param 'keys[0].pem' is a private key, which must stay with you"]),
        ({"pem": ENCRYPTED_PEM}, ["Param 'keys[0].pem' is a private key, which must stay with you"]),
        ({"pem": "x"}, ["Param 'keys[0].pem' must be a public key in PEM"]),
        ({"pem": 5}, ["Param 'keys[0].pem' must be a string"]),
        ({"pem": "x" * 10_000}, ["Param 'keys[0].pem' must have at most 8192 characters"]),
        ({"pem": pem(SMALL)}, ["Param 'keys[0].pem' must have 2048 to 8192 bits"]),
        ({"pem": pem(P384)}, ["Param 'keys[0].pem' must be an RSA key, or an EC key on P-256"]),
        (
            {"pem": pem(ed25519.Ed25519PrivateKey.generate())},
            ["Param 'keys[0].pem' must be an RSA key, or an EC key on P-256"],
        ),
        (jwk(SMALL), ["Param 'keys[0].n' must have 2048 to 8192 bits"]),
        (jwk(P384), ["Param 'keys[0].crv' must be P-256"]),
        (jwk(RSA_KEY, alg="HS256"), ["Param 'keys[0].alg' must be RS256"]),
        (jwk(EC_KEY, alg="RS256", use="enc"), ["Param 'keys[0].alg' must be ES256", "Param 'keys[0].use' must be sig"]),
        (jwk(RSA_KEY, e="AQ"), ["Param 'keys[0].e' must have an odd exponent of at most 32 bits"]),
        (
            jwk(RSA_KEY, n="!", e=5),
            [f"Param 'keys[0].{name}' must be a number in base64url" for name in ("n", "e")],
        ),
        (jwk(EC_KEY, x="AQ"), ["Param 'keys[0].x' and 'keys[0].y' must be a point on P-256"]),
        (jwk(EC_KEY, x="_" * 43), ["Param 'keys[0].x' and 'keys[0].y' must be a point on P-256"]),
        (jwk(EC_KEY, kid=""), ["Param 'keys[0].kid' must be a string of 1 to 128 printable characters"]),
        (jwk(EC_KEY, kid=5), ["Param 'keys[0].kid' must be a string of 1 to 128 printable characters"]),
        (jwk(EC_KEY, kid="a\nb"), ["Param 'keys[0].kid' must be a string of 1 to 128 printable characters"]),
    ],
)
async def test_a_key_that_is_not_valid_is_refused_by_field(
    http: httpx.AsyncClient, project: Project, key: Any, expected: list[str]
) -> None:
    kept = await put(http, project, jwk(EC_KEY, kid="kept"))
    response = await http.put("/v2/jwt/keys", headers=project.admin, json={"keys": [key]})
    assert (response.status_code, messages(response)) == (422, expected)
    assert (await http.get("/v2/jwt/keys", headers=project.admin)).json()["keys"] == kept


async def test_every_failing_key_is_named(http: httpx.AsyncClient, project: Project) -> None:
    body = {"keys": [jwk(SMALL), jwk(EC_KEY, kid="a"), jwk(RSA_KEY, kid="a"), None]}
    response = await http.put("/v2/jwt/keys", headers=project.admin, json=body)
    assert messages(response) == ["Param 'keys[3]' is missing"]
    response = await http.put("/v2/jwt/keys", headers=project.admin, json={"keys": body["keys"][:3]})
    assert messages(response) == [
        "Param 'keys[0].n' must have 2048 to 8192 bits",
        "Param 'keys[2].kid' is that of another key",
    ]
    for keys in (None, "x", [jwk(EC_KEY)] * 21):
        assert (await http.put("/v2/jwt/keys", headers=ADMIN, json={"keys": keys})).status_code == 422


# ---- on the command line


async def test_the_command_line_adds_lists_and_removes_keys(
    http: httpx.AsyncClient, gateway: Gateway, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "rsa.pem").write_text(pem(RSA_KEY))
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [jwk(EC_KEY, kid="ec")]}))
    await put(http, project)
    keys = ("project", "keys")
    command(gateway, *keys, "add", project.api_key, str(tmp_path / "rsa.pem"), "--kid", "rsa")
    command(gateway, *keys, "add", project.api_key, str(tmp_path / "jwks.json"))
    assert command(gateway, *keys, "list", project.api_key).splitlines() == ["RS256  rsa", "ES256  ec"]
    assert await status(http, signed(RSA_KEY, project, kid="rsa")) == 200
    command(gateway, *keys, "remove", project.api_key, "rsa")
    assert await status(http, signed(RSA_KEY, project, kid="rsa")) == "token_is_incorrect"
    assert await status(http, signed(EC_KEY, project)) == 200
