"""What all tests of `fhv` have in common: machines are held in a folder of theirs, and not in that of this host."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def held_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    os.environ["FHV_LOCK_DIR"] = str(tmp_path_factory.mktemp("held"))
    yield
    del os.environ["FHV_LOCK_DIR"]
