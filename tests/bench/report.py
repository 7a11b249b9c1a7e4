"""How a run is told: a table for a person, JSON for a program."""

import collections
import dataclasses
import datetime
import json
import os
import pathlib
import re
import statistics
from collections.abc import Iterator, Sequence

from rich import console, table

from tests.bench import figures
from tests.lab import commands, place

_HEADING = ("benchmark", "engine", "what", "fullhost", "against", "other", "ratio", "goal", "met")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a benchmark found on an engine, how long it took, and the machine's load (of a minute) before and after."""

    benchmark: str
    engine: str
    seconds: float
    load: tuple[float, float]
    outcome: figures.Outcome


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """When and where a run was made, and of what."""

    date: str
    commit: str
    machine: str


def circumstances() -> Circumstances:
    """Look at the clock, the checkout and the machine."""
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    git = ["git", "-C", str(place.CHECKOUT), "describe", "--always", "--dirty"]
    return Circumstances(
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        commit=commands.run(git).strip() if commands.works(git) else "unknown",
        machine=f"{os.cpu_count()} x {model[1] if model else 'unknown'}, Linux {os.uname().release}",
    )


def show(measured: Sequence[Measured], where: Circumstances, to: console.Console) -> None:
    """Print every figure, then what is told in tables of its own."""
    shown = table.Table(*_HEADING, title=f"{where.date}, {where.commit}, {where.machine}", title_justify="left")
    for column in (3, 5, 6, 7):
        shown.columns[column].justify = "right"
    for row in rows(measured):
        shown.add_row(*row)
    to.print(shown)
    for one in measured:
        for title, (heading, *lines) in one.outcome.tables.items():
            extra = table.Table(*heading, title=f"{one.benchmark}, {one.engine}: {title}", title_justify="left")
            for line in lines:
                extra.add_row(*line)
            to.print(extra)
    for one in measured:
        before, after = one.load
        to.print(f"{one.benchmark}, {one.engine}: {one.seconds:.0f} s, load {before:.1f} before, {after:.1f} after")


def rows(measured: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    """Yield the lines of the table; a figure of several engines gets one more, for all of them together."""
    for one in measured:
        for figure in one.outcome.figures:
            yield (one.benchmark, one.engine, *_row(figure))
    joint: dict[tuple[str, str, str], list[figures.Figure]] = collections.defaultdict(list)
    for one in measured:
        for figure in one.outcome.figures:
            if figure.ratio is not None:
                joint[one.benchmark, figure.what, figure.against].append(figure)
    for (benchmark, what, against), of in joint.items():
        if len(of) > 1:
            mean = figures.together([figure.ratio for figure in of if figure.ratio is not None])
            goal = of[0].goal
            bound = goal.together if goal and goal.together is not None else goal.bound if goal else None
            met = _said(goal.met(mean, together=True)) if goal and not goal.absolute else ""
            sign = (
                ""
                if bound is None or (goal and goal.absolute)
                else _bound(bound, at_least=bool(goal and goal.at_least))
            )
            yield (benchmark, "all", what, "", against, "", f"{mean:.2f}", sign, met)


def _row(figure: figures.Figure) -> tuple[str, ...]:
    goal = figure.goal
    bound = (
        "" if goal is None else _bound(goal.bound, at_least=goal.at_least, unit=figure.unit if goal.absolute else "")
    )
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} ({_range(figures.quartiles(figure.ratios), 2)})"
    theirs = _median(figure.theirs, figure.unit) if figure.theirs else ""
    return (figure.what, _median(figure.ours, figure.unit), figure.against, theirs, ratio, bound, _said(figure.met))


def _median(values: Sequence[float], unit: str) -> str:
    """Return the median, and the bounds of the middle half of the samples."""
    middle = statistics.median(values)
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
    spread = f" ({_range(figures.quartiles(values), digits)})" if len(values) > 1 else ""
    return f"{middle:,.{digits}f} {unit}{spread}"


def _range(bounds: tuple[float, float], digits: int) -> str:
    return "..".join(f"{bound:,.{digits}f}" for bound in bounds)


def _bound(bound: float, *, at_least: bool, unit: str = "") -> str:
    return f"{'≥' if at_least else '≤'} {bound:,g} {unit}".strip()


def _said(met: bool | None) -> str:
    return {True: "yes", False: "NO", None: ""}[met]


def write_json(measured: Sequence[Measured], where: Circumstances, path: pathlib.Path) -> None:
    """Write all samples, for another program to judge."""
    found = {**dataclasses.asdict(where), "measured": [dataclasses.asdict(one) for one in measured]}
    path.write_text(json.dumps(found, indent=1) + "\n")
