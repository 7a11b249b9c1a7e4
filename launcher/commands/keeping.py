"""What the commands that keep machines have in common: the use cases at hand, and a question before a loss."""

import sys
import typing

import click

from launcher import world as worlds

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from launcher import machines, model, upkeep

yes_option = click.option("-y", "--yes", is_flag=True, help="Do it without a question.")


def consent(losses: "tuple[str, ...]", *, act: str, yes: bool) -> None:
    """Say what is lost, and ask; where nobody can be asked it has to be told beforehand."""
    from launcher import model

    for loss in losses:
        click.echo(f"note: {loss}", err=True)
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise model.Cannot(f"cannot {act} without being told to: nothing is changed", hint="say it again with --yes")
    if not click.confirm("Go on?", err=True):
        raise model.Cannot("not done: nothing is changed")


def keeper(operator: "machines.Operator", world: worlds.World) -> "upkeep.Upkeep":
    """Give the use cases."""
    from launcher import upkeep

    return upkeep.Upkeep(engine=world.engine(), depot=world.depot(), operator=operator)


def act(world: worlds.World, what: "Callable[[upkeep.Upkeep], model.Result]", patience: float) -> None:
    """Do something with one machine, show how it goes and how it went."""
    worlds.several(world, lambda operator: (what(keeper(operator, world)),), patience)
