"""Keeping machines: `fhv clone`, `rename`, `rebuild`, `set`, `export`, `import`."""

import pathlib
import sys

import click

from launcher import completion
from launcher import world as worlds
from launcher.commands import keeping

_name = click.argument("name", shell_complete=completion.machines)
_new = click.argument("new", metavar="NEWNAME", shell_complete=completion.zone)


@click.command()
@_name
@click.option(
    "--image",
    default="",
    metavar="IMAGE",
    shell_complete=completion.images,
    help="Default: what fhv.toml says of the machine.",
)
@keeping.yes_option
@worlds.timeout_option
@click.pass_obj
@worlds.refusing
def rebuild(world: worlds.World, name: str, image: str, timeout: float, *, yes: bool) -> None:
    """Make a machine anew of an image; volumes, limits, name and address stay."""
    from launcher import snapshots

    machine = worlds.operator(world).find(name, verb="rebuild")
    keeping.consent((snapshots.lost(machine, "outside volumes"),), act=f"rebuild {machine.name}", yes=yes)
    keeping.act(world, lambda keep: keep.rebuild(machine, image), timeout)


@click.command()
@_name
@_new
@worlds.timeout_option
@click.pass_obj
@worlds.refusing
def clone(world: worlds.World, name: str, new: str, timeout: float) -> None:
    """Make another machine of the zone with the files of this one.

    It gets a machine-id and ssh host keys of its own, and the address of its name; volumes are those that fhv.toml
    gives it.
    """
    from launcher import snapshots

    machine = worlds.operator(world).find(name, verb="clone")
    click.echo(f"note: {snapshots.not_held(machine)}", err=True)
    keeping.act(world, lambda keep: keep.clone(machine, new), timeout)


@click.command()
@_name
@_new
@worlds.timeout_option
@click.pass_obj
@worlds.refusing
def rename(world: worlds.World, name: str, new: str, timeout: float) -> None:
    """Give a machine another name of the zone, and with it another address; one that runs is restarted.

    Files, volumes, limits and snapshots go with it. What fhv.toml says of the old name does not.
    """
    machine = worlds.operator(world).find(name, verb="rename")
    keeping.act(world, lambda keep: keep.rename(machine, new), timeout)


@click.command(name="set")
@_name
@click.argument("words", metavar="KEY=VALUE...", nargs=-1, required=True)
@click.pass_obj
@worlds.refusing
def limit(world: worlds.World, name: str, words: tuple[str, ...]) -> None:
    """Set limits of a machine, at once and for good: memory=2g, cpus=1.5.

    What is made anew of the machine keeps them; `fhv apply` sets what fhv.toml says.
    """
    from launcher import snapshots

    wanted = snapshots.limits(words)
    machine = worlds.operator(world).find(name, verb="set")
    keeping.act(world, lambda keep: keep.limit(machine, wanted), worlds.PATIENCE_SECONDS)


@click.command(name="export")
@_name
@click.argument("file", type=click.Path(path_type=pathlib.Path, allow_dash=True))
@click.option("-f", "--force", is_flag=True, help="Overwrite FILE.")
@click.pass_obj
@worlds.refusing
def export(world: worlds.World, name: str, file: pathlib.Path, *, force: bool) -> None:
    """Write a machine into one tar file; - is standard output. Volumes are not in it."""
    import contextlib

    from launcher import model, parcel, snapshots, words

    stdout = str(file) == "-"
    if stdout and sys.stdout.isatty():
        raise model.Cannot("cannot write an archive to a terminal", hint="name a file, or redirect the output")
    operator = worlds.operator(world)
    machine = operator.find(name, verb="export")
    click.echo(f"note: {snapshots.not_held(machine)}", err=True)
    with words.progress(live=sys.stderr.isatty()) as report:
        made = keeping.keeper(operator, world).export(machine, words.counted(report, machine.name, "exported"))
        with contextlib.closing(made) as pieces:
            if stdout:
                sys.stdout.buffer.writelines(pieces)
                sys.stdout.buffer.flush()
            else:
                parcel.write(file, pieces, force=force)
    click.echo(f"{machine.name}: exported", err=stdout)


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=pathlib.Path, allow_dash=True))
@_new
@worlds.timeout_option
@click.pass_obj
@worlds.refusing
def bring_in(world: worlds.World, file: pathlib.Path, new: str, timeout: float) -> None:
    """Make a machine of a file that `fhv export` wrote; - is standard input.

    It is the machine that was exported, with its machine-id and host keys, under a name of the zone.
    """
    import contextlib

    from launcher import model, words

    try:
        source = contextlib.nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb")
    except OSError as error:
        raise model.Cannot(f"cannot read {file}: {error.strerror}") from error
    with source as opened, words.progress(live=sys.stderr.isatty()) as report:
        keep = keeping.keeper(worlds.operator(world, report, timeout), world)
        result = keep.bring_in(opened, new, words.counted(report, new, "imported"))
    worlds.finish((result,))


COMMANDS = (rebuild, clone, rename, limit, export, bring_in)
