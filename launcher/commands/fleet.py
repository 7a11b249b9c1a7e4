"""The zone made true: `fhv plan` and `fhv apply`."""

import sys
import typing

import click

from launcher import completion
from launcher import world as worlds
from launcher.commands import keeping

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

    from launcher import applying, differences, machines, model

_names = click.argument("names", metavar="[NAME...]", nargs=-1, shell_complete=completion.zone)
_prune = click.option("--prune", is_flag=True, help="Stop running machines whose names the zone does not have.")
_DIFFERS = 2  # as terraform has it


@click.command(
    epilog="Exit codes: 0 done, 1 something cannot be told; with --detailed-exitcode 2: apply has work to do."
)
@_names
@_prune
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.option("--detailed-exitcode", is_flag=True, help="End with 2 where `fhv apply` would do anything.")
@click.pass_obj
@worlds.refusing
def plan(world: worlds.World, names: tuple[str, ...], *, prune: bool, as_json: bool, detailed_exitcode: bool) -> None:
    """Show what differs between the zone, with its definitions, and the machines; change nothing.

    What a machine is to be is said by fhv.toml and, as far as that allows it, by TXT records of _fhv.NAME.
    Changes of image and volumes are only told, with the command that makes them: they make a machine anew.
    """
    from launcher import words

    outlook = _applier(worlds.operator(world), world).survey(names, prune=prune).outlook
    if as_json:
        click.echo(words.as_json(_spoken(outlook)))
    else:
        if shown := _table(outlook):
            click.echo(shown)
        _tell(outlook.notes)
        _refuse(outlook.refused.values())
    if outlook.refused:
        sys.exit(1)
    if detailed_exitcode and outlook.names:
        sys.exit(_DIFFERS)


@click.command()
@_names
@_prune
@click.option("-y", "--yes", is_flag=True, help="Restart and stop machines without a question.")
@worlds.timeout_option
@click.pass_obj
@worlds.refusing
def apply(world: worlds.World, names: tuple[str, ...], *, prune: bool, yes: bool, timeout: float) -> None:
    """Make the machines what the zone and its definitions say: what `fhv plan` shows is done.

    Machines are created, started, and given their limits; those whose address or aliases are others now are
    restarted. What is to be up before another is waited for. A second time there is nothing to do.
    """
    survey = _applier(worlds.operator(world), world).survey(names, prune=prune)
    outlook = survey.outlook
    _tell(outlook.notes)
    for change in outlook.changes:
        if change.command:
            click.echo(f"left as it is: {change.name}: {change.why}; to {change.step} it: {change.command}", err=True)
    _consent(outlook, yes=yes)
    if not outlook.names and not outlook.refused:
        click.echo("nothing to do")
        return
    worlds.several(world, lambda operator: _applier(operator, world).apply(survey), timeout)


def _applier(operator: "machines.Operator", world: worlds.World) -> "applying.Applier":
    from launcher import applying

    return applying.Applier(engine=world.engine(), operator=operator)


def _consent(outlook: "differences.Outlook", *, yes: bool) -> None:
    """Ask before a running machine is ended; who cannot be asked has to say it beforehand."""
    ends = [change for change in outlook.changes if change.interrupts]
    if not ends or yes:
        return
    notes = tuple(f"this is to {change.step} {change.name} ({change.why})." for change in ends)
    keeping.consent(notes, act=", ".join(f"{change.step} {change.name}" for change in ends), yes=yes)


def _spoken(outlook: "differences.Outlook") -> dict[str, object]:
    return {
        "changes": outlook.changes,
        "refused": [
            {"name": name, "why": str(refusal), "hint": refusal.hint} for name, refusal in outlook.refused.items()
        ],
        "notes": outlook.notes,
    }


def _table(outlook: "differences.Outlook") -> str:
    from launcher import tables

    if not outlook.changes:
        return "" if outlook.refused else "nothing to do"
    rows = [(change.name, str(change.step), change.why, change.command or "fhv apply") for change in outlook.changes]
    return tables.table(("NAME", "STEP", "WHY", "BY"), rows)


def _tell(notes: tuple[str, ...]) -> None:
    for note in notes:
        click.echo(f"warning: {note}", err=True)


def _refuse(refusals: "Iterable[model.Cannot]") -> None:
    from launcher import words

    for refusal in refusals:
        words.refusal(refusal)
