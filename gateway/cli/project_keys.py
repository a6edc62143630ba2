"""`project keys`: the public keys that verify a project's user tokens."""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.arguments import find_project
from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.store_access import run_with_projects

if TYPE_CHECKING:
    from gateway.store.projects import ProjectStore


@click.group("keys")
def project_keys() -> None:
    """Administer the public keys of a project.

    They verify user tokens that your backend signs with its own key pairs (RS256, ES256).
    """


@project_keys.command("add")
@click.argument("api_key")
@click.argument("file", type=click.File())
@click.option("--kid", help="Id of the key.  [default: the `kid` in the file, or the thumbprint]")
def project_keys_add(api_key: str, file: Any, kid: str | None) -> None:
    """Add the public keys of a file.

    FILE is a public key in PEM, a JWK, or a JWKS document.
    """
    added = _keys_of(file.read(), kid)
    _check_keys(added, file.name)

    async def work(projects: "ProjectStore") -> None:
        await _change_keys(projects, api_key, lambda keys: [*keys, *added])

    run_with_projects(with_secret_key(read_settings()), work)


@project_keys.command("list")
@click.argument("api_key")
def project_keys_list(api_key: str) -> None:
    """List a project's keys: algorithm and id."""

    async def work(projects: "ProjectStore") -> None:
        for key in (await find_project(projects, api_key)).public_keys:
            click.echo(f"{key.algorithm}  {key.id}")

    run_with_projects(with_secret_key(read_settings()), work)


@project_keys.command("remove")
@click.argument("api_key")
@click.argument("kid")
def project_keys_remove(api_key: str, kid: str) -> None:
    """Remove a key and end its tokens."""

    def without(keys: list[Any]) -> list[Any]:
        if kid not in (key["kid"] for key in keys):
            raise click.ClickException(f"the project has no key {kid}")
        return [key for key in keys if key["kid"] != kid]

    async def work(projects: "ProjectStore") -> None:
        await _change_keys(projects, api_key, without)

    run_with_projects(with_secret_key(read_settings()), work)


def _keys_of(text: str, kid: str | None) -> list[Any]:
    """Return the keys in a file, as unchecked JWKs or as objects `{"pem", "kid"?}`. Raises ClickException."""
    named = {"kid": kid} if kid else {}
    if text.lstrip().startswith("-----"):
        return [{"pem": text, **named}]
    try:
        found = json.loads(text)
    except ValueError:
        raise click.ClickException("the file holds neither PEM nor JSON") from None
    keys = found["keys"] if isinstance(found, dict) and "keys" in found else [found]
    if named and len(keys) != 1:
        raise click.UsageError("--kid names one key, and the file has several")
    return [{**key, **named} if isinstance(key, dict) else key for key in keys]


def _check_keys(keys: list[Any], name: str) -> None:
    """Raise ClickException, with messages about the file `name`, if one of the keys is not valid."""
    from gateway.auth.jwks import read_keys

    problems: list[str] = []
    read_keys(keys, "keys", problems)
    if problems:
        # The messages are about a request: "Param 'keys[0].crv' must be P-256". A PEM has no member to name.
        texts = (re.sub(r"^Param 'keys\[(\d+)\](?:\.pem|\.(\w+))?'", _in_a_file, problem) for problem in problems)
        raise click.ClickException(f"{name}: {'; '.join(texts)}")


def _in_a_file(found: re.Match[str]) -> str:
    key = f"key {int(found[1]) + 1}"
    return f"{key}: {found[2]}" if found[2] else key


async def _change_keys(projects: "ProjectStore", api_key: str, edit: "Callable[[list[Any]], list[Any]]") -> None:
    from gateway.auth.jwks import read_keys

    found = await find_project(projects, api_key)
    problems: list[str] = []
    keys = read_keys(edit([key.jwk for key in found.public_keys]), "keys", problems)
    if problems:
        raise click.ClickException("; ".join(problems))
    await projects.set_keys(api_key, keys)
