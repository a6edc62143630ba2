"""`doctor` and `openapi`: what there is to know before serving."""

import json
import resource
from typing import TYPE_CHECKING

import click

from gateway.cli.common import read_settings, run_with_projects, with_secret_key

if TYPE_CHECKING:
    from gateway.store.projects import ProjectStore


@click.command()
def doctor() -> None:
    """Check that this machine and its settings can run the gateway; exit code 1 if not."""
    from gateway.store.client import FunctionClient
    from gateway.store.topology import Topology

    settings = read_settings()
    click.echo("settings   ok")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    verdict = "ok" if soft >= 10_000 else "LOW: raise it with `ulimit -n`; each connection takes one"
    click.echo(f"open files {soft} {verdict}")
    click.echo(
        f"store      {'bundled Valkey in ' + str(settings.data_dir) if settings.embedded else 'INBOX_REDIS_URL'}"
    )

    async def work(projects: "ProjectStore") -> None:
        client = FunctionClient(Topology(settings))
        try:
            await client.load()
            persistence = await client.info("persistence")
            for name, info in (await client.info("server")).items():
                version = info.get("valkey_version", info["redis_version"])
                click.echo(f"server     {info.get('server_name', 'redis')} {version} {name}".rstrip())
                on = persistence[name].get("aof_enabled") == "1"
                click.echo(f"durability {'append-only file' if on else 'NO append-only file: a restart loses data'}")
            click.echo(f"projects   {len(await projects.all())}")
        finally:
            client.close()

    run_with_projects(with_secret_key(settings), work)
    click.echo("all well")


@click.command()
def openapi() -> None:
    """Print the OpenAPI document of the REST API."""
    from gateway.api.openapi import document
    from gateway.api.operations import OPERATIONS

    click.echo(json.dumps(document(OPERATIONS), indent=2, ensure_ascii=False))
