"""The public keys of a project: the customer signs users' tokens with the private halves."""

from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec
from gateway.auth.jwks import MAX_KEYS, read_keys
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.objects import Array, Object
from gateway.domain.params import Anything
from gateway.domain.principal import Project
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.domain.signing import PublicKey
from gateway.store.project_events import ProjectEvents
from gateway.store.projects import ProjectStore

NEW_KEYS = Body(
    "",
    Object(
        required=True,
        name="NewPublicKeys",
        fields={
            "keys": Array(
                required=True,
                max_items=MAX_KEYS,
                item=Anything(
                    description="A public JWK (RFC 7517; RSA of 2048 bits or more, or EC on P-256), "
                    'or `{"pem": "-----BEGIN PUBLIC KEY-----…", "kid": "…"}`.'
                ),
            )
        },
    ),
    # The key of RFC 7517, A.1.
    example={
        "keys": [
            {
                "kty": "EC",
                "crv": "P-256",
                "kid": "2025-01",
                "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            }
        ]
    },
)


class PublicJwk(msgspec.Struct):
    """A public key (RFC 7517). An RSA key has `n` and `e`, an EC key has `crv`, `x` and `y`."""

    kid: str
    use: Literal["sig"]
    alg: Literal["RS256", "ES256"]
    kty: Literal["RSA", "EC"]
    n: str | UnsetType = UNSET
    e: str | UnsetType = UNSET
    crv: Literal["P-256"] | UnsetType = UNSET
    x: str | UnsetType = UNSET
    y: str | UnsetType = UNSET


class PublicJwks(msgspec.Struct):
    """All public keys of a project."""

    keys: list[PublicJwk]


PUBLIC_KEYS = ResponseSpec(200, "The keys", PublicJwks)


@dataclass(frozen=True, slots=True)
class KeysResource:
    """The operations on the calling project's public keys."""

    projects: ProjectStore
    events: ProjectEvents

    async def list_keys(self, call: ProjectCall) -> Response:
        """Return the public keys that verify tokens of the project's users."""
        # Not from the cache, so that a client that has just put keys finds them on every node.
        found = (await self.projects.by_api_keys([call.project.api_key]))[call.project.api_key]
        return _response((found or call.project).public_keys)

    async def replace(self, call: ProjectCall) -> Response:
        """Replace the public keys that verify tokens of the project's users.

        Tokens of a key that the body leaves out are refused, and their live connections are closed. A key without a
        `kid` gets its RFC 7638 thumbprint.
        """
        values = call.fields(await call.body())
        problems: list[str] = []
        keys = read_keys(values["keys"], "keys", problems)
        if problems:
            raise invalid(*problems)
        project = await self.projects.set_keys(call.project.api_key, keys)
        if project is None:
            raise api_error(ErrorCode.INCORRECT_API_KEY)
        await self._write_changes(call.project, project)
        return _response(project.public_keys)

    async def _write_changes(self, before: Project, after: Project) -> None:
        old, new = ({key.id for key in project.public_keys} for project in (before, after))
        for kind, kids in ((ProjectEventType.KEY_REGISTERED, new - old), (ProjectEventType.KEY_REMOVED, old - new)):
            for kid in sorted(kids):
                await self.events.write(after.id, ProjectEvent(kind, None, {"key_id": kid}))


def _response(public_keys: tuple[PublicKey, ...]) -> Response:
    return json_response({"keys": [key.jwk for key in public_keys]})


OPERATIONS = [
    Operation("GET", "/v2/jwt/keys", PROJECT, KeysResource.list_keys, "List public keys", PUBLIC_KEYS),
    Operation("PUT", "/v2/jwt/keys", PROJECT, KeysResource.replace, "Replace public keys", PUBLIC_KEYS, NEW_KEYS),
]
