"""What machines start from: the commands of `fhv image`."""

import sys

import click

from launcher import completion
from launcher import world as worlds


@click.group()
def image() -> None:
    """Make, list and remove the images that machines start from."""


def _say(line: str) -> None:
    click.echo(line, err=True)


@image.command()
@click.argument("distribution", metavar="DISTRIBUTION")
@click.option("--suite", required=True, help="The release, such as bookworm.")
@click.option("--tag", metavar="IMAGE", help="Default: fullhost/DISTRIBUTION:SUITE.")
@worlds.refusing
def bootstrap(distribution: str, suite: str, tag: str | None) -> None:
    """Build the image of a DISTRIBUTION from its own packages, without any registry."""
    from launcher import images

    name = tag or f"fullhost/{distribution}:{suite}"
    images.bootstrap(distribution=distribution, suite=suite, tag=name, report=_say)
    click.echo(name)


@image.command()
@click.argument("name", metavar="RECIPE", shell_complete=completion.recipes)
@click.option("-t", "--tag", metavar="IMAGE", help="Default: fullhost/RECIPE:latest.")
@click.option("--build-arg", "words", multiple=True, metavar="KEY=VALUE", help="BASE=IMAGE starts from another one.")
@click.pass_obj
@worlds.refusing
def build(world: worlds.World, name: str, tag: str | None, words: tuple[str, ...]) -> None:
    """Build an image by a RECIPE: debian, ubuntu, almalinux, alpine or arch."""
    from launcher import images

    called = tag or f"fullhost/{name}:latest"
    context = images.context(name, root=images.folder())
    images.check_tag(called)
    world.builder().build(context, tag=called, arguments=images.arguments(words), report=_say)
    click.echo(called)


@image.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.pass_obj
@worlds.refusing
def list_images(world: worlds.World, *, as_json: bool) -> None:
    """List the images that machines start from; snapshots have a list of their own."""
    import datetime as dt

    from launcher import tables, words

    found = world.builder().images()
    if as_json:
        click.echo(words.as_json(found))
        return
    now = dt.datetime.now(dt.UTC)
    rows = [
        (
            entry.name,
            entry.init or tables.DASH,
            f"{entry.size / 1e6:.0f} MB",
            words.since(entry.created, now=now),
            ",".join(entry.machines) or tables.DASH,
        )
        for entry in found
    ]
    click.echo(tables.table(("IMAGE", "INIT", "SIZE", "CREATED", "USED BY"), rows))


@image.command()
@click.argument("names", metavar="IMAGE...", nargs=-1, required=True, shell_complete=completion.images)
@click.pass_obj
@worlds.refusing
def rm(world: worlds.World, names: tuple[str, ...]) -> None:
    """Remove images; one that a machine is made of is kept."""
    from launcher import model, words

    failed = False
    for name in dict.fromkeys(names):
        try:
            world.builder().remove(name)
        except model.Cannot as error:
            words.refusal(error)
            failed = True
        else:
            click.echo(f"{name}: removed")
    if failed:
        sys.exit(1)
