"""`docker fhv`: the same commands, as a plugin of the Docker CLI (docker/cli, cli-plugins/metadata).

The CLI runs `docker-fhv docker-cli-plugin-metadata` to know it, and `docker-fhv [ITS OWN OPTIONS] fhv ARGUMENTS` to
use it; of its own options the one that says where the engine is goes on to fhv.
"""

import importlib.metadata
import json
import os
import sys

import click

from launcher import cli

_ABOUT = "docker-cli-plugin-metadata"


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []}
)
@click.option("-H", "--host", "address", metavar="ADDRESS")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def _called(address: str | None, words: tuple[str, ...]) -> None:
    if words == (_ABOUT,):
        about = {
            "SchemaVersion": "0.1.0",
            "Vendor": "fullhost",
            "Version": importlib.metadata.version("fullhost"),
            "ShortDescription": "Full hosts: machines whose names and addresses are those of a DNS zone",
        }
        click.echo(json.dumps(about))
        return
    if words[:1] != ("fhv",):
        option = words[0] if words else "no command"
        click.echo(f"docker fhv: cannot use {option}: of docker's own options fhv knows -H only", err=True)
        click.echo("hint: set DOCKER_HOST, or type fhv", err=True)
        sys.exit(2)
    if address:
        os.environ["DOCKER_HOST"] = address
    cli.run(words[1:], name="docker fhv")


def main() -> None:
    """Run `docker-fhv`."""
    _called.main(prog_name="docker-fhv")
