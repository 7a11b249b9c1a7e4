"""Options of the test command: on which engines the tests of `tests/system` run."""

import pytest

from tests.lab import engine, trees, world


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --engine and --cgroup; `all` runs every test once on each, `usual` takes the layout of the engine's time."""
    group = parser.getgroup("lab", "the lab of tests/system")
    group.addoption("--engine", choices=[*trees.ENGINES, "all"], default=world.DEFAULT_ENGINE)
    group.addoption("--cgroup", choices=[*engine.Cgroup, "usual", "all"], default="usual")
