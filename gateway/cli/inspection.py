"""`openapi` and `settings`: documents that are printed without a running gateway."""

import json
from dataclasses import fields
from typing import Any

import click

from gateway.settings import Settings, default_of, variable


@click.command()
def openapi() -> None:
    """Print the OpenAPI document of the REST API."""
    from gateway.api.operations import document

    click.echo(json.dumps(document(), indent=2, ensure_ascii=False))


@click.command("settings")
def list_settings() -> None:
    """List all settings with their defaults."""
    for item in fields(Settings):
        click.echo(f"{variable(item.name)}  [{_shown(default_of(item))}]")
        click.echo(click.wrap_text(item.metadata["help"], 100, "    ", "    "))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return (",".join(value) if isinstance(value, tuple) else str(value)) or "unset"
