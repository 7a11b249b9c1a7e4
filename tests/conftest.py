"""Options of the test command: on which engines the tests of `tests/system` run, and with `-n` in which process."""

import re
from collections.abc import Generator

import pytest
from xdist import remote, scheduler

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


class ByLab(scheduler.LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """All tests of one engine are one process's, so that nothing is brought up twice; others go one by one.

    Marks (`--dist loadgroup`) do not do it: xdist 3.8 writes them into node ids, which pytest 9 does not read back.
    """

    def _split_scope(self, nodeid: str) -> str:
        """Return what a test belongs to: its lab, its module of tests/system, or nothing but itself."""
        lab = re.search(r"\[(engine[\d.]+-cgroup\d)", nodeid)
        if lab:
            return lab[1]
        return nodeid.partition("::")[0] if nodeid.startswith("tests/system/") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: remote.Producer) -> ByLab:
    """Hand out the tests by lab; without xdist's own log each test would tell how many wait."""
    return ByLab(config, log)
