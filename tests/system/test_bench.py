"""Each benchmark works: a round of each, as small as can be. What it measures is nobody's promise here."""

import io
import json
import pathlib
from collections.abc import Iterator

import pytest
from rich import console

from tests.bench import catalogue, plots, report, scale
from tests.lab import trees, world


@pytest.fixture(scope="module")
def own_lab(request: pytest.FixtureRequest) -> Iterator[world.Lab]:
    """Give one lab: on which engine a benchmark is tried makes no difference to whether it works."""
    asked = request.config.getoption("--engine")
    with world.borrowed(version=list(trees.ENGINES)[-1] if asked == "all" else asked) as lab:
        yield lab


@pytest.mark.parametrize("name", catalogue.BENCHMARKS)
def test_a_benchmark_works(own_lab: world.Lab, tmp_path: pathlib.Path, name: str) -> None:
    own_lab.clean()
    outcome = catalogue.BENCHMARKS[name].measure(own_lab, scale.SMOKE)
    assert outcome.figures or outcome.tables
    for figure in outcome.figures:
        assert all(sample > 0 for sample in (*figure.ours, *figure.theirs)) or figure.unit == "MB"
    one = report.Measured(benchmark=name, engine=own_lab.version, seconds=1, load=(0, 0), outcome=outcome)
    where, shown = report.circumstances(), io.StringIO()
    report.show([one], where, console.Console(file=shown, width=200))
    assert all(figure.unit in shown.getvalue() for figure in outcome.figures)
    report.write_json([one], where, tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text())["measured"][0]["benchmark"] == name
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in plots.draw([one], tmp_path))
