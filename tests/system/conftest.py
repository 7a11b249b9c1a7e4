"""A lab for each engine and cgroup layout that was asked for, kept for the whole session, clean for each test."""

import os
import pathlib
from collections.abc import Iterator

import pytest

from tests.lab import commands, engine, trees, world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as one that needs root and a real engine."""
    for item in items:
        if item.path.is_relative_to(pathlib.Path(__file__).parent):
            item.add_marker(pytest.mark.system)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that uses a lab one lab for each engine and layout."""
    if "session_lab" not in metafunc.fixturenames:
        return
    version, cgroup = (metafunc.config.getoption(option) for option in ("--engine", "--cgroup"))
    versions = list(trees.ENGINES) if version == "all" else [version]
    kinds = [(version, layout) for version in versions for layout in _layouts(version, cgroup)]
    names = [f"engine{version}-cgroup{layout}" for version, layout in kinds]
    metafunc.parametrize("session_lab", kinds, indirect=True, ids=names, scope="session")


def _layouts(version: str, asked: str) -> list[engine.Cgroup]:
    match asked:
        case "all":
            return list(engine.Cgroup)
        case "usual":
            return [engine.Cgroup.V1 if version == "20.10" else engine.Cgroup.V2]
        case layout:
            return [engine.Cgroup(layout)]


@pytest.fixture(scope="session")
def session_lab(request: pytest.FixtureRequest) -> Iterator[world.Lab]:
    """Give a lab that is up; what it needs and is missing is an error and never a skip."""
    if os.geteuid():
        raise commands.LabError("cannot bring up a lab: it needs root; run the tests with sudo")
    version, cgroup = request.param
    with world.borrowed(version=version, cgroup=cgroup) as lab:
        yield lab


@pytest.fixture
def lab(session_lab: world.Lab) -> world.Lab:
    """Give the session's lab as it came up: nothing of an earlier test is in it, whatever that one did."""
    session_lab.clean()
    return session_lab


@pytest.fixture
def network(lab: world.Lab) -> str:
    """Give the lab's network `fullhost`, by its id."""
    return lab.create_network()
