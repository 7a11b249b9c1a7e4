"""The files of machines as they were: `fhv snapshot`, `fhv snapshots`, `fhv restore`."""

import click

from launcher import completion
from launcher import world as worlds
from launcher.commands import keeping

_name = click.argument("name", shell_complete=completion.machines)
_json = click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")


def _short(name: str) -> str:
    """Give the name without its domain: snapshots outlive their machine, and the engine knows them by it alone."""
    return name.lower().partition(".")[0]


class _Default(click.Group):
    """A group whose first word is a name, unless it is one of the commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take `create` for the command where none is named."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["create", *args])


@click.group(cls=_Default, invoke_without_command=False)
def snapshot() -> None:
    """Keep the files of a machine as they are: snapshot NAME [TAG]; or list, restore, remove snapshots.

    A snapshot is the image fullhost/snapshot/NAME:TAG. It holds no volumes, no memory, nothing of /run and /tmp.
    A machine that runs is frozen meanwhile: its files are as after a power cut. For more, stop it before.
    """


@snapshot.command()
@_name
@click.argument("tag", required=False, default="")
@click.pass_obj
@worlds.refusing
def create(world: worlds.World, name: str, tag: str) -> None:
    """Take a snapshot of a machine, called TAG, or snap0, snap1 and so on."""
    from launcher import snapshots

    machine = worlds.operator(world).find(name, verb="snapshot")
    click.echo(f"note: {snapshots.not_held(machine)}", err=True)
    keeping.act(world, lambda keep: keep.snapshot(machine, tag), worlds.PATIENCE_SECONDS)


@snapshot.command(name="rm")
@_name
@click.argument("tags", metavar="TAG...", nargs=-1, required=True, shell_complete=completion.snapshots)
@keeping.yes_option
@click.pass_obj
@worlds.refusing
def remove(world: worlds.World, name: str, tags: tuple[str, ...], *, yes: bool) -> None:
    """Remove snapshots of a machine."""
    from launcher import snapshots

    keep = keeping.keeper(worlds.operator(world), world)
    name = _short(name)
    there = world.depot().snapshots(name)
    for tag in tags:
        snapshots.choose(name, there, tag)
    listed = ", ".join(tags)
    keeping.consent(
        (f"the snapshots {listed} of {name} are lost.",), act=f"remove the snapshots {listed} of {name}", yes=yes
    )
    worlds.finish(keep.forget(name, tags))


@click.command()
@click.argument("name", required=False, default="", shell_complete=completion.machines)
@_json
@click.pass_obj
@worlds.refusing
def listing(world: worlds.World, name: str, *, as_json: bool) -> None:
    """List the snapshots of a machine, or of all, the oldest first."""
    import datetime as dt

    from launcher import tables, words

    found = world.depot().snapshots(_short(name))
    if as_json:
        click.echo(words.as_json(found))
        return
    now = dt.datetime.now(dt.UTC)
    rows = [(s.machine, s.tag, words.since(s.created, now=now), f"{s.size / 1e6:.1f} MB", s.image) for s in found]
    click.echo(tables.table(("NAME", "TAG", "TAKEN", "SIZE", "IMAGE"), rows))


@click.command()
@_name
@click.argument("tag", required=False, default="", shell_complete=completion.snapshots)
@keeping.yes_option
@worlds.timeout_option
@click.pass_obj
@worlds.refusing
def restore(world: worlds.World, name: str, tag: str, timeout: float, *, yes: bool) -> None:
    """Give a machine the files of a snapshot of it: TAG, or the newest.

    Volumes, limits, name and address stay. The present files come back if the machine does not come up with the others.
    """
    from launcher import snapshots

    machine = worlds.operator(world).find(name, verb="restore")
    chosen = snapshots.choose(machine.name, world.depot().snapshots(machine.name), tag)
    losses = (snapshots.lost(machine, f"since the snapshot {chosen.tag} ({chosen.created[:19]}Z)"),)
    keeping.consent(losses, act=f"restore {machine.name}", yes=yes)
    keeping.act(world, lambda keep: keep.restore(machine, chosen), timeout)


snapshot.add_command(listing, "list")
snapshot.add_command(restore, "restore")
