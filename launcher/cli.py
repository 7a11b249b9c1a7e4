"""`fhv`: arguments in, words and exit codes out.

What is slow to import (the engine's SDK, rich) is imported by the command that needs it: `fhv --help` is to be quick.
"""

import os
import signal
import sys
import typing
from collections.abc import Sequence

import click

from launcher import completion
from launcher import world as worlds
from launcher.commands import (
    access,
    dns,
    doctor,
    exposing,
    fleet,
    guide,
    host,
    image,
    keeping,
    snapshot,
    top,
    transfer,
    upkeep,
)

_EPILOG = """
\b
Examples:
  fhv start web db           create or continue two machines, wait until they are up
  fhv start                  the same with every machine of the zone
  fhv list                   name, aliases, state, address, image, since
  fhv ssh web                log in by ssh; ssh web.local works as well then
  fhv shell web              a login shell on web, without ssh
  fhv shell web uptime       one command; its exit code is passed on
  fhv logs -f web            the console
  fhv expose web 8080:80     a port of this host leads to one of web
  fhv snapshot web           keep its files as they are; fhv restore web brings them back
  fhv stop web; fhv rm web   end it, and throw it away

\b
A name may be written with the domain: web.local is web.
Exit codes: 0 done, 1 something failed (it is named, the others are done), 2 usage.
Settings: /etc/fullhost/fhv.toml, or the file that FHV_CONFIG names; DOCKER_HOST
for the engine and FULLHOST_SOCKET for the network driver.
"""


def _version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's form
    if wanted:
        import importlib.metadata

        click.echo(f"fhv {importlib.metadata.version('fullhost')}")
        context.exit()


_names = click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=completion.machines)
_name = click.argument("name", shell_complete=completion.machines)
_json = click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version and exit."
)
@click.pass_context
def fhv(context: click.Context) -> None:
    """Full hosts on plain Docker: persistent machines whose names and addresses are those of a DNS zone."""
    context.ensure_object(worlds.World)


@fhv.command()
@click.argument("names", metavar="[NAME...]", nargs=-1, shell_complete=completion.zone)
@worlds.timeout_option
@click.option(
    "--ssh-key",
    "files",
    multiple=True,
    type=click.File(errors="replace"),
    metavar="FILE",
    help="Let this public key log in as well.",
)
@click.option("--boot", is_flag=True, help="After a boot of this host: let machines that ran go, each in its turn.")
@click.pass_obj
@worlds.refusing
def start(
    world: worlds.World, names: tuple[str, ...], timeout: float, files: Sequence[typing.TextIO], *, boot: bool
) -> None:
    """Create or continue machines and those that they come after, and wait until they are up.

    Without names: every machine of the zone but those with autostart = false. Of several names with one address the
    one in its PTR record is the machine, and the others are its aliases; the names of the gateway are no machine.
    """
    from launcher import keys, resuming

    if boot:
        if names or files:
            raise click.UsageError("--boot is for all machines, as they were")
        worlds.several(
            world, lambda operator: resuming.Resuming(engine=world.engine(), operator=operator).resume(), timeout
        )
        return
    public = tuple(key for file in files for key in keys.given(file.read(), file=file.name))
    worlds.several(world, lambda operator: operator.start(names), timeout, public)


@fhv.command()
@_names
@click.pass_obj
@worlds.refusing
def stop(world: worlds.World, names: tuple[str, ...]) -> None:
    """Have the inits of machines end them; they stay ended until `fhv start`."""
    worlds.several(world, lambda operator: operator.stop(names))


@fhv.command()
@_names
@worlds.timeout_option
@click.pass_obj
@worlds.refusing
def restart(world: worlds.World, names: tuple[str, ...], timeout: float) -> None:
    """Stop and start machines, and wait until they are up."""
    worlds.several(world, lambda operator: operator.restart(names), timeout)


@fhv.command()
@_names
@click.option("-f", "--force", is_flag=True, help="Remove running machines too, without a question; they are killed.")
@keeping.yes_option
@click.pass_obj
@worlds.refusing
def rm(world: worlds.World, names: tuple[str, ...], *, force: bool, yes: bool) -> None:
    """Remove machines and everything in them; volumes and snapshots stay."""
    from launcher import plan

    there = world.engine().machines()
    if listed := ", ".join(plan.removable(names, there, force=force)):
        losses = (f"all files of {listed} are lost; volumes and snapshots stay.",)
        keeping.consent(losses, act=f"remove {listed}", yes=yes or force)
    with world.swept():
        worlds.several(world, lambda operator: operator.remove(names, force=force))


@fhv.command(name="list")
@_json
@click.pass_obj
@worlds.refusing
def list_machines(world: worlds.World, *, as_json: bool) -> None:
    """List the machines there are (alias: ls)."""
    import datetime as dt

    from launcher import words

    found = exposing.with_ports(world, world.engine().machines())
    click.echo(words.as_json(found) if as_json else words.listing(found, now=dt.datetime.now(dt.UTC)))


fhv.add_command(doctor.doctor)
fhv.add_command(dns.dns)
for _command in (exposing.expose, exposing.unexpose, exposing.exposures):
    fhv.add_command(_command)
fhv.add_command(fleet.plan)
fhv.add_command(fleet.apply)
fhv.add_command(guide.guide)
fhv.add_command(guide.completion)
for _command in (access.ssh, access.shell, access.execute, access.console, top.top, transfer.push, transfer.pull):
    fhv.add_command(_command)
for _command in (snapshot.snapshot, snapshot.restore, *upkeep.COMMANDS):
    fhv.add_command(_command)
fhv.add_command(snapshot.listing, "snapshots")
fhv.add_command(host.host)
fhv.add_command(image.image)
fhv.add_command(
    click.Command("ls", params=list_machines.params, callback=list_machines.callback, help="Same as list.", hidden=True)
)


@fhv.command()
@click.argument("name", required=False, shell_complete=completion.machines)
@_json
@click.pass_obj
@worlds.refusing
def status(world: worlds.World, name: str | None, *, as_json: bool) -> None:
    """Show one machine from all sides, or the network driver's state.

    Of a machine: what its init says, its address beside the DNS record, MAC, veth, capabilities and why it has them.
    Of the driver: networks, endpoints and how it knew whose they are, counters, warnings.
    """
    from launcher import words

    if name is None:
        found = world.driver().status()
        click.echo(words.as_json(found) if as_json else words.driver(found))
    else:
        seen = worlds.operator(world).examine(name)
        click.echo(words.as_json(seen) if as_json else words.examination(seen))


@fhv.command()
@_name
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@click.option("--tail", "lines", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.pass_obj
@worlds.refusing
def logs(world: worlds.World, name: str, lines: int | None, *, follow: bool) -> None:
    """Show what a machine wrote on its console."""
    operator = worlds.operator(world)
    machine = operator.find(name, verb="logs")
    out = sys.stdout.buffer
    try:
        for piece in operator.engine.console(machine.container, lines=lines, follow=follow):
            out.write(piece)
            out.flush()
    except KeyboardInterrupt:  # the way to end -f
        sys.exit(128 + signal.SIGINT)


def _complete_streams() -> None:
    """Open nothing in the place of a standard stream that is closed: the next connection would take its number."""
    sys.stdin = sys.stdin or os.fdopen(os.open(os.devnull, os.O_RDONLY))
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def main() -> None:
    """Run `fhv`."""
    run(sys.argv[1:], name="fhv")


def run(words: Sequence[str], *, name: str, there: worlds.World | None = None) -> None:
    """Run a command line, as the program `name` and on the world that is `there`, to its exit code."""
    _complete_streams()
    worlds.heed_signals()
    try:
        try:
            fhv.main(args=list(words), prog_name=name, complete_var="_FHV_COMPLETE", obj=there)
        finally:
            signal.signal(signal.SIGINT, worlds.leave)  # threads may still be ending what they have begun
            sys.stdout.flush()
    except Exception as error:
        from launcher import mistakes

        mistakes.tell(error, os.environ)  # in a sentence
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what cannot be written is not tried again
        sys.exit(1)
