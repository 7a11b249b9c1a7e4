"""What machines start from: the commands of `fhv image`."""

import click

from launcher import world as worlds


@click.group()
def image() -> None:
    """Make the images that machines start from."""


@image.command()
@click.argument("distribution", metavar="DISTRIBUTION")
@click.option("--suite", required=True, help="The release, such as bookworm.")
@click.option("--tag", metavar="IMAGE", help="Default: fullhost/DISTRIBUTION:SUITE.")
@worlds.refusing
def bootstrap(distribution: str, suite: str, tag: str | None) -> None:
    """Build the image of a DISTRIBUTION from its own packages, without any registry."""
    from launcher import images

    name = tag or f"fullhost/{distribution}:{suite}"
    images.bootstrap(distribution=distribution, suite=suite, tag=name, report=lambda line: click.echo(line, err=True))
    click.echo(name)
