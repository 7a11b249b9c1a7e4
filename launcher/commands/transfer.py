"""Files into machines and out of them: the commands `fhv push` and `fhv pull`."""

import contextlib
import pathlib
import sys
import time
import typing
from collections.abc import Callable, Iterator

import click

from launcher import world as worlds

if typing.TYPE_CHECKING:
    from launcher import transfer

_recursive = click.option("-r", "--recursive", is_flag=True, help="Folders, with all that is in them.")
_archive = click.option(
    "-a", "--archive", is_flag=True, help="Folders too, and keep owners and links (-r keeps modes)."
)


@click.command()
@_recursive
@_archive
@click.option("-p", "--create-dirs", is_flag=True, help="Make the folders that PATH needs.")
@click.option("--uid", type=click.IntRange(min=0), help="The owner there; default: root.")
@click.option("--gid", type=click.IntRange(min=0), help="The group there; default: root's.")
@click.option("--mode", metavar="MODE", help="The mode of files there, in octal; default: as here.")
@click.argument("sources", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True))
@click.argument("target", metavar="NAME:PATH")
@click.pass_obj
@worlds.refusing
def push(  # noqa: PLR0913 - an option each, as click has it
    world: worlds.World,
    sources: tuple[str, ...],
    target: str,
    uid: int | None,
    gid: int | None,
    mode: str | None,
    *,
    recursive: bool,
    archive: bool,
    create_dirs: bool,
) -> None:
    """Copy files into a machine, running or not.

    A FILE of - is standard input: one file's content, or with -r a tar archive that is unpacked in PATH. FOLDER/. is
    what is in the folder.
    """
    from launcher import packing, transfer

    place = transfer.place(target)
    machine = worlds.operator(world).find(place.name, verb="push")
    none = None if archive else 0
    shape = packing.Shape(
        uid=none if uid is None else uid, gid=none if gid is None else gid, mode=_octal(mode) if mode else None
    )
    with _work(world, machine.name, recursive=recursive, archive=archive) as work:
        if sources == ("-",):
            work.push_stream(sys.stdin.buffer, machine, place.path, shape, make=create_dirs)
        else:
            work.push(sources, machine, place.path, shape, make=create_dirs)


@click.command()
@_recursive
@_archive
@click.argument("sources", metavar="NAME:PATH...", nargs=-1, required=True)
@click.argument("target", metavar="FILE", type=click.Path(allow_dash=True))
@click.pass_obj
@worlds.refusing
def pull(world: worlds.World, sources: tuple[str, ...], target: str, *, recursive: bool, archive: bool) -> None:
    """Copy files out of machines, running or not.

    A FILE of - is standard output: one file's content, or with -r a tar archive.
    """
    from launcher import model, transfer

    places = [transfer.place(source) for source in sources]
    operator = worlds.operator(world)
    machines = [operator.find(place.name, verb="pull") for place in places]
    if len(places) > 1 and not pathlib.Path(target).is_dir():
        raise model.Cannot(f"cannot pull several files to {target}: it is no folder", hint=f"mkdir {target}")
    for place, machine in zip(places, machines, strict=True):
        with _work(world, machine.name, recursive=recursive, archive=archive) as work:
            if target == "-":
                for piece in work.pull_stream(machine, place.path):
                    sys.stdout.buffer.write(piece)
                continue
            for name in work.pull(machine, place.path, pathlib.Path(target)):
                click.echo(f"warning: {machine.name}: {name} is no file, folder or link, and was left out", err=True)


def _octal(text: str) -> int:
    try:
        return int(text, 8) & 0o7777
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no mode in octal, such as 0644", param_hint="--mode") from error


@contextlib.contextmanager
def _work(world: worlds.World, name: str, *, recursive: bool, archive: bool) -> "Iterator[transfer.Transfer]":
    """Give the use cases, and show how much has gone by once that takes over a second."""
    from launcher import transfer

    with _progress(name, live=sys.stderr.isatty()) as moved:
        yield transfer.Transfer(remote=world.files(), moved=moved, recursive=recursive or archive, owners=archive)


@contextlib.contextmanager
def _progress(name: str, *, live: bool) -> Iterator[Callable[[int], None]]:
    from launcher import usage

    total, told, begun = 0, 0.0, time.monotonic()

    def moved(octets: int) -> None:
        nonlocal total, told
        total, now = total + octets, time.monotonic()
        if live and now - begun > 1 and now - told > 0.2:
            told = now
            sys.stderr.write(f"\r\x1b[K{name}: {usage.size(total)}, {usage.size(total / (now - begun))}/s")
            sys.stderr.flush()

    try:
        yield moved
    finally:
        if told:
            sys.stderr.write("\r\x1b[K")
