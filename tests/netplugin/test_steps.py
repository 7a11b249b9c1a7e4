"""The driver dies before and after each step of all that it does: the next life leaves nothing of it.

Driver, kernel and state are real; the engine is one that only asks. Which steps there are, a dry run finds out.
"""

import dataclasses
import itertools
import os
import pathlib
import subprocess
from collections.abc import Callable, Iterator

import pytest

from netplugin import naming
from tests import tally as tallies
from tests.netplugin import sandbox

WEB, NEXT, GONE, STRAY = (octet * 32 for octet in ("1b", "1c", "1d", "1e"))
EACH = "FULLHOST_EACH_FAULT" in os.environ  # five minutes instead of two
Act = Callable[[sandbox.Host, sandbox.Life], None]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What the driver is asked, after what has been done before; `remains` is the container that is left running."""

    play: Act
    before: Act = lambda host, life: None
    remains: str | None = None


def _network_comes_and_goes(host: sandbox.Host, life: sandbox.Life) -> None:
    host.engine.ask(life, "CreateNetwork", sandbox.network_body(sandbox.OTHER))
    host.engine.ask(life, "DeleteNetwork", {"NetworkID": sandbox.OTHER})


def _container_comes_and_goes(host: sandbox.Host, life: sandbox.Life) -> None:
    host.engine.start(life, WEB, "web", option="web")
    host.engine.stop(life, WEB)


def _start_is_given_up(host: sandbox.Host, life: sandbox.Life) -> None:
    host.engine.ask(life, "CreateEndpoint", sandbox.endpoint_body(GONE, "web"))


def _several_start(host: sandbox.Host, life: sandbox.Life) -> None:
    host.engine.start(life, WEB, "web", option=None)


def _container_is_moved(_: sandbox.Host, life: sandbox.Life) -> None:
    life.settler.settle()
    life.settler.settle()


def _kernel_is_spoiled(_: sandbox.Host, __: sandbox.Life) -> None:
    sandbox.ip("link", "delete", "br0")
    subprocess.run(["nft", "flush", "ruleset"], check=True)


def _keeper_looks(_: sandbox.Host, life: sandbox.Life) -> None:
    for _second in range(3):
        life.keep()
        life.clock.move(1)


def _calls_were_lost(host: sandbox.Host, life: sandbox.Life) -> None:
    """Leave a network without its engine, an endpoint without its veth, one without a start, a veth without a row."""
    host.engine.ask(life, "CreateNetwork", sandbox.network_body(sandbox.OTHER))
    for endpoint, name in ((GONE, "web"), (WEB, "db")):
        host.engine.ask(life, "CreateEndpoint", sandbox.endpoint_body(endpoint, name))
    sandbox.ip("link", "delete", naming.veth(GONE).host)
    sandbox.ip("link", "add", naming.veth(STRAY).host, "type", "veth", "peer", "name", naming.veth(STRAY).peer)


SCENES = {
    "a network is created and deleted": Scene(play=_network_comes_and_goes),
    "a container starts and stops": Scene(play=_container_comes_and_goes),
    "a start that was given up is done again": Scene(before=_start_is_given_up, play=_container_comes_and_goes),
    "a container is moved to its own address": Scene(before=_several_start, play=_container_is_moved, remains="web"),
    "the keeper restores": Scene(before=_kernel_is_spoiled, play=_keeper_looks),
    "the keeper collects": Scene(before=_calls_were_lost, play=_keeper_looks),
}


@pytest.fixture
def host(namespace: str, tmp_path: pathlib.Path) -> Iterator[sandbox.Host]:
    assert namespace
    made = sandbox.Host(tmp_path)
    try:
        made.up()
        yield made
    finally:
        made.down()


def steps(host: sandbox.Host, scene: Scene) -> list[str]:
    """Return every step of a scene, once it is played without a fault."""
    host.live(lambda life: scene.before(host, life))
    host.told.unlink()
    host.live(lambda life: scene.play(host, life))
    found = [" ".join(line.split()[:2]) for line in host.told.read_text().splitlines()]
    host.live(lambda life: recover(host, life, scene, sandbox.Way.NEVER))
    return list(dict.fromkeys(found))


def strike(host: sandbox.Host, scene: Scene, step: str, way: sandbox.Way) -> None:
    """Kill the driver at a step, and have its next life put everything right."""
    host.live(lambda life: scene.before(host, life))
    host.armed.write_text(step)
    with pytest.raises(sandbox.Killed):
        host.live(lambda life: scene.play(host, life))
    host.live(lambda life: recover(host, life, scene, way))


def recover(host: sandbox.Host, life: sandbox.Life, scene: Scene, way: sandbox.Way) -> None:
    """Go on as a driver that starts does, with an engine that goes on; all has to be right within five seconds."""
    life.keep()
    host.engine.resume(life, way)
    for _second in range(5):
        life.settler.settle()
        life.keep()
        if (found := sandbox.remains(life)) == expected(scene):
            break
        life.clock.move(1)
    assert found == expected(scene)
    subprocess.run(["ping", "-n", "-c", "1", "-W", "2", sandbox.ZONE["live"]], check=True, capture_output=True)
    if scene.remains is not None:
        host.engine.stop(life, sandbox.MOVED)
        host.engine.learn("option", scene.remains, None)
    host.engine.start(life, NEXT, "web", option="web")
    endpoint = life.store.endpoint(NEXT)
    assert endpoint is not None
    assert (str(endpoint.address), endpoint.settled) == (sandbox.ZONE["web"], True)
    host.engine.stop(life, NEXT)
    assert sandbox.remains(life) == expected(Scene(play=scene.play))


def expected(scene: Scene) -> dict[str, list[str]]:
    """Return what there has to be: the network, the machine that lives, and the one that was moved."""
    endpoints = [sandbox.LIVES, *([sandbox.MOVED] if scene.remains else [])]
    return {
        "networks": [sandbox.NETWORK],
        "endpoints": endpoints,
        "moves": [],
        "links": sorted(["br0", *(naming.veth(endpoint).host for endpoint in endpoints)]),
        "bridged": [],
        "tables": ["fullhost", naming.table(sandbox.NETWORK)],
        "pinned": [naming.veth(endpoint).host for endpoint in sorted(endpoints)],
        "marks": [naming.mark(sandbox.NETWORK)] * 5,
    }


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_a_driver_killed_at_any_step(host: sandbox.Host, scene: Scene, tally: tallies.Tally) -> None:
    found, kept = steps(host, scene), 0
    points = [f"{step} {when}" for step in found for when in ("before", "after")]
    # What is after a step is before the next one, too: in turn, each such state meets two of the three ways.
    table = list(
        itertools.product(points, sandbox.Way) if EACH else zip(points, itertools.cycle(sandbox.Way), strict=False)
    )
    assert table
    try:
        for step, way in table:
            strike(host, scene, step, way)
            kept += 1
    finally:
        tally.add(tallies.Promise.FAULTS, kept=kept, of=len(table))
