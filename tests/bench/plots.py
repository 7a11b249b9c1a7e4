"""Plots of how cost grows, as PNG files."""

import pathlib
from collections.abc import Sequence

from tests.bench import figures, report
from tests.lab import commands


def draw(measured: Sequence[report.Measured], folder: pathlib.Path) -> list[pathlib.Path]:
    """Draw every curve into a file of its own; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for one in measured:
        for number, curve in enumerate(one.outcome.curves, start=1):
            path = folder / f"{one.benchmark}-{one.engine}-{number}.png"
            _draw(curve, path)
            drawn.append(path)
    return drawn


def _draw(curve: figures.Curve, path: pathlib.Path) -> None:
    try:
        from matplotlib import figure
    except ImportError:
        raise commands.LabError("cannot draw plots: there is no matplotlib; pip install 'fullhost[test]'") from None
    paper = figure.Figure(figsize=(7, 4.5), layout="constrained")
    axes = paper.add_subplot()
    for line, points in curve.lines.items():
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=line)
    xs = sorted({x for points in curve.lines.values() for x, _ in points})
    axes.set_xscale("log")
    axes.set_xticks(xs, [f"{x:,g}" for x in xs])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_title(curve.title)
    axes.set_xlabel(curve.x)
    axes.set_ylabel(curve.y)
    axes.grid(alpha=0.3)
    axes.legend()
    paper.savefig(path, dpi=120)
