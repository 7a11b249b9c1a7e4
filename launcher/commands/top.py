"""What machines use: the command `fhv top`."""

import concurrent.futures
import os
import sys
import time
import typing
from collections.abc import Iterator

import click

from launcher import completion
from launcher import world as worlds

if typing.TYPE_CHECKING:
    from launcher import model, usage

_AT_ONCE = 16


@click.command()
@click.argument("names", metavar="[NAME...]", nargs=-1, shell_complete=completion.machines)
@click.option("--no-stream", is_flag=True, help="Show it once, and end.")
@click.option("--interval", type=click.FloatRange(0.2, 3600), default=1.0, show_default=True, metavar="SECONDS")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, once.")
@click.pass_obj
@worlds.refusing
def top(world: worlds.World, names: tuple[str, ...], interval: float, *, no_stream: bool, as_json: bool) -> None:
    """Show what machines use: processors (100 % is one of them), memory, network, processes; until control-C.

    Without names: every machine that runs. A pipe gets it once.
    """
    from launcher import tables, usage, words

    readings = _readings(world, names, interval)
    if as_json:
        click.echo(words.as_json(next(readings)))
    elif no_stream or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        click.echo(tables.table(usage.COLUMNS, usage.rows(next(readings))))
    else:
        _live(readings)


def _live(readings: "Iterator[tuple[usage.Usage, ...]]") -> None:
    """Draw each round over the one before."""
    import contextlib

    import rich.live
    import rich.text

    from launcher import tables, usage

    with contextlib.suppress(KeyboardInterrupt), rich.live.Live(auto_refresh=False) as screen:
        for found in readings:
            screen.update(rich.text.Text(tables.table(usage.COLUMNS, usage.rows(found))), refresh=True)


def _readings(world: worlds.World, names: tuple[str, ...], interval: float) -> "Iterator[tuple[usage.Usage, ...]]":
    """Give what each machine used since the round before; one that ended meanwhile is left out."""
    from launcher import usage

    operator, gauge = worlds.operator(world), world.gauge()

    def wanted() -> "list[model.Machine]":
        if names:
            return [operator.find(name, verb="top", running=True) for name in names]
        return [machine for machine in operator.engine.machines() if machine.state == "running"]

    def read(machine: "model.Machine") -> "tuple[str, usage.Reading | None]":
        return machine.name, gauge.read(machine.container)

    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        before = dict(pool.map(read, wanted()))
        while True:
            time.sleep(interval)
            after = dict(pool.map(read, wanted()))
            yield tuple(
                usage.between(name, old, new)
                for name, new in after.items()
                if new is not None and (old := before.get(name)) is not None
            )
            before = after
