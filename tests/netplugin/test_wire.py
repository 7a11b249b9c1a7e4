"""What real engines said to the driver (tests/lab/capture.py), said again: once, and each call twice.

What no engine here could say is constructed, and called so in its file and in the name of its test.
"""

import dataclasses
import json
import pathlib

import pytest

from netplugin import app, store
from tests.netplugin import fakes
from tests.netplugin.conftest import Clock

CAPTURED = sorted((pathlib.Path(__file__).parent.parent / "wire").glob("*.json"))
ZONE = {"database": "172.31.0.2", "webserver": "172.31.0.3", "monitor": "172.31.0.4"}


@dataclasses.dataclass(frozen=True)
class Pair:
    """One call, its request and the answer it got."""

    call: str
    request: dict[str, object]
    answer: dict[str, object]

    @property
    def given(self) -> str:
        """Return the name whose address the captured answer gave, or nothing."""
        text = json.dumps(self.answer)
        return next((name for name, address in ZONE.items() if f'"{address}/24"' in text), "")


def pairs(path: pathlib.Path) -> list[Pair]:
    return [Pair(**pair) for pair in json.loads(path.read_text())["pairs"]]


def test_each_engine_of_the_lab_was_captured() -> None:
    assert {path.name for path in CAPTURED} >= {"20.10-cgroup1.json", "26.1-cgroup2.json", "28.5-cgroup2.json"}


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_a_file_is_captured_or_says_that_it_is_constructed(path: pathlib.Path) -> None:
    found = json.loads(path.read_text())
    assert ("captured" in found) != ("constructed" in found)
    assert ("constructed" in found) == path.stem.endswith("-constructed")
    assert "IpamDriver.RequestAddress" in {pair.call for pair in pairs(path)}


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
@pytest.mark.parametrize("times", [1, 2])
def test_it_is_answered_as_it_was(path: pathlib.Path, times: int, tmp_path: pathlib.Path, clock: Clock) -> None:
    world = fakes.World(zone={name: (address,) for name, address in ZONE.items()})
    state = store.Store(tmp_path / "driver.db")
    client = app.wire(app.calls(fakes.uses(world, state, clock)), {}, {}, count=world.count).test_client()
    for pair in pairs(path):
        world.waiting = (pair.given,) if pair.given else ()
        for _ in range(times):
            reply = client.post(f"/{pair.call}", data=json.dumps(pair.request) if pair.request else b"")
            assert reply.status_code == 200
            assert json.loads(reply.data) == pair.answer, pair
    assert (world.links, world.rules, state.networks(), state.endpoints()) == ({}, set(), (), ())
