"""Measure: `python -m tests.bench [NAMES...]`. It needs root, and a machine that has nothing else to do."""

import argparse
import dataclasses
import os
import pathlib
import sys
import time
from collections.abc import Iterator, Sequence

from rich import console

from tests.bench import catalogue, plots, report, scale
from tests.lab import commands, engine, trees, world


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:10} {one.about}" for name, one in catalogue.BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=f"{__doc__}\n\nbenchmarks:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks (default: all)")
    parser.add_argument("--engine", choices=[*trees.ENGINES, "all"], default=list(trees.ENGINES)[-1])
    parser.add_argument("--rounds", type=int, metavar="N", help=f"of what is quick (default: {scale.FULL.rounds})")
    parser.add_argument("--smoke", action="store_true", help="as little of everything as shows that it works")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all samples")
    parser.add_argument("--plots", type=pathlib.Path, metavar="FOLDER", help="draw how cost grows, as PNG files")
    return parser


def _measure(names: Sequence[str], versions: Sequence[str], size: scale.Scale) -> Iterator[report.Measured]:
    """Run the benchmarks on a lab of each engine; those that no engine changes on the last one alone."""
    for version in versions:
        wanted = [name for name in names if catalogue.BENCHMARKS[name].each_engine or version == versions[-1]]
        if not wanted:
            continue
        layout = engine.Cgroup.V1 if version == "20.10" else engine.Cgroup.V2
        with world.borrowed(version=version, cgroup=layout) as lab:
            for name in wanted:
                print(f"{name} on {version} …", file=sys.stderr)
                lab.clean()
                before, began = os.getloadavg()[0], time.monotonic()
                outcome = catalogue.BENCHMARKS[name].measure(lab, size)
                took, load = time.monotonic() - began, (before, os.getloadavg()[0])
                yield report.Measured(benchmark=name, engine=version, seconds=took, load=load, outcome=outcome)


def main() -> int:
    """Measure what was asked for; return the exit code."""
    parser = _parser()
    asked = parser.parse_args()
    names = asked.names or list(catalogue.BENCHMARKS)
    if unknown := set(names) - catalogue.BENCHMARKS.keys():
        parser.error(f"no benchmark is called {min(unknown)}; they are {', '.join(catalogue.BENCHMARKS)}")
    size = scale.SMOKE if asked.smoke else scale.FULL
    if asked.rounds:
        size = dataclasses.replace(size, rounds=asked.rounds)
    where, versions = report.circumstances(), list(trees.ENGINES) if asked.engine == "all" else [asked.engine]
    measured: list[report.Measured] = []
    try:
        for one in _measure(names, versions, size):
            measured.append(one)  # noqa: PERF402 - what was measured before a failure is shown
    except commands.LabError as error:
        print(f"tests.bench: {error}", file=sys.stderr)
        return 1
    finally:
        report.show(measured, where, console.Console(width=None if sys.stdout.isatty() else 160))
        if asked.json:
            report.write_json(measured, where, asked.json)
        if asked.plots:
            plots.draw(measured, asked.plots)
    return 0


if __name__ == "__main__":
    sys.exit(main())
