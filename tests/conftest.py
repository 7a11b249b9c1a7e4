"""Options of the test command: on which engines the tests of `tests/system` run."""

from collections.abc import Generator

import pytest

from tests.lab import engine, trees, world


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --engine and --cgroup; `all` runs every test once on each, `usual` takes the layout of the engine's time."""
    group = parser.getgroup("lab", "the lab of tests/system")
    group.addoption("--engine", choices=[*trees.ENGINES, "all"], default=world.DEFAULT_ENGINE)
    group.addoption("--cgroup", choices=[*engine.Cgroup, "usual", "all"], default="usual")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have what a hostile request left in the log told in UTF-8, as which one process tells it to another."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode("utf-8")) for name, text in report.sections
    ]
    return report
