"""Being on a machine: the commands `fhv ssh`, `shell`, `exec` and `console`."""

import os
import sys

import click

from launcher import completion
from launcher import world as worlds

_LOGIN = "cd; if [ -x /bin/bash ]; then exec /bin/bash -l; else exec /bin/sh -l; fi"
_FORBIDS_ROOT = ("/bin/sh", "-c", "/usr/sbin/sshd -T 2>/dev/null | grep -qix 'permitrootlogin no'")
_SSH_FAILED = 255  # what ssh ends with when it is not the command's own exit code
_WHOLE_LINE = {"ignore_unknown_options": True, "allow_interspersed_args": False}

_command = click.argument("command", nargs=-1, type=click.UNPROCESSED)
_name = click.argument("name", metavar="NAME", shell_complete=completion.machines)
_user = click.option("-u", "--user", default="", metavar="USER", help="Who to be there, as docker exec: NAME, UID:GID.")


@click.command(context_settings=_WHOLE_LINE)
@click.option("-l", "--login", default="", metavar="USER", help="Log in as USER; web is root@web.")
@click.argument("target", metavar="[USER@]NAME", shell_complete=completion.machines)
@_command
@click.pass_obj
@worlds.refusing
def ssh(world: worlds.World, target: str, command: tuple[str, ...], login: str) -> None:
    """Log in to a machine by ssh, or run a COMMAND there; no question is asked, and no host key is trusted blindly.

    The host keys are read from the machine through the engine. The first time, a line is put into ~/.ssh/config,
    so that `ssh NAME.DOMAIN`, scp, rsync and git work in the same way; under sudo all of it is the caller's.
    """
    user, _, name = target.rpartition("@")
    user = login or user or "root"
    machine = worlds.operator(world).find(name, verb="ssh", running=True)
    access = world.access()
    if access.prepare(machine, user):
        click.echo(f"fhv: ssh {machine.name}.{machine.domain} works from now on as well", err=True)
    code = access.log_in(machine, user, command)
    if code == _SSH_FAILED and user == "root" and _ask(world, machine.container, _FORBIDS_ROOT) == 0:
        click.echo(
            f"hint: sshd of {machine.name} forbids root; allow it by key: fhv shell {machine.name}, "
            "PermitRootLogin prohibit-password in /etc/ssh/sshd_config, systemctl reload ssh",
            err=True,
        )
    sys.exit(code)


def _ask(world: worlds.World, container: str, command: tuple[str, ...]) -> int:
    import threading

    return world.terminal().run(container, command, seconds=5, interrupted=threading.Event()).exit_code


@click.command(context_settings=_WHOLE_LINE)
@_user
@_name
@_command
@click.pass_obj
@worlds.refusing
def shell(world: worlds.World, name: str, command: tuple[str, ...], user: str) -> None:
    """Run a login shell on a machine, or a COMMAND; its exit code is passed on."""
    _run(world, name, command or ("/bin/sh", "-c", _LOGIN), user=user, verb="shell")


@click.command(name="exec", context_settings=_WHOLE_LINE)
@_user
@click.option("-i", "--interactive", is_flag=True, help="As docker has it; here it is always so.")
@click.option("-t", "--tty", is_flag=True, help="As docker has it; here it is so on a terminal.")
@_name
@click.argument("command", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
@worlds.refusing
def execute(
    world: worlds.World, name: str, command: tuple[str, ...], user: str, *, interactive: bool, tty: bool
) -> None:
    """Run a COMMAND on a machine, as `docker exec` does; the same as `fhv shell NAME COMMAND`."""
    del interactive, tty  # what they ask for is done anyway
    _run(world, name, command, user=user, verb="exec")


def _run(world: worlds.World, name: str, command: tuple[str, ...], *, user: str, verb: str) -> None:
    """Join this terminal, or these pipes, to a command in a machine."""
    from launcher import conversation

    machine = worlds.operator(world).find(name, verb=verb, running=True)
    live = sys.stdin.isatty() and sys.stdout.isatty()
    term = os.environ.get("TERM", "dumb") if live else ""
    talk = world.terminal().converse(machine.container, command, tty=live, term=term, user=user)
    sys.exit(conversation.hold(talk, live=live))


@click.command()
@_name
@click.option("--detach-keys", default="ctrl-p,ctrl-q", show_default=True, help="What to type to leave the console.")
@click.option("--history", type=click.IntRange(min=0), default=50, show_default=True, metavar="N", help="Lines before.")
@click.pass_obj
@worlds.refusing
def console(world: worlds.World, name: str, detach_keys: str, history: int) -> None:
    """Sit down at a machine's console, its init's own terminal, after what stood there last.

    Every other key goes to the machine, control-C too. Leaving the console changes nothing; as with a screen of iron,
    whether anything listens there is the machine's matter. `fhv logs` has all that was ever written.
    """
    from launcher import conversation

    keys = conversation.detach_keys(detach_keys)
    machine = worlds.operator(world).find(name, verb="console", running=True)
    terminal = world.terminal()
    # Attached first: a line that comes meanwhile is rather shown twice than lost.
    talk = terminal.attach(machine.container)
    click.echo(f"console of {machine.name}; {detach_keys} leaves it", err=True)
    for piece in terminal.console(machine.container, lines=history) if history else ():
        sys.stdout.buffer.write(piece)
    sys.stdout.flush()
    try:
        code = conversation.hold(talk, live=sys.stdin.isatty() and sys.stdout.isatty(), detach=keys)
    except KeyboardInterrupt:  # without a terminal of its own there are no keys to leave by
        code = None
    now = world.engine().find(machine.name)
    if now is not None and (now.container, now.state, now.since) == (machine.container, machine.state, machine.since):
        code = None  # it was what was typed that has ended
    ended = f"{machine.name} has ended with {code}" if code is not None else f"{machine.name} goes on"
    click.echo(f"\nfhv: {ended}", err=True)
    sys.exit(code or 0)
