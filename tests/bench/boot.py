"""Boot: an engine that starts with containers of restart policy `unless-stopped`, until its API serves."""

import collections
import concurrent.futures
import time
from collections.abc import Sequence

from tests.bench import figures, scale, start
from tests.lab import commands, images, world, zones

_PLAIN = "user-defined bridge"


def measure(lab: world.Lab, size: scale.Scale) -> figures.Outcome:
    """Return the seconds of engine starts, in turns with all containers on fullhost and on Docker's own bridge."""
    sets = {"fullhost": _ours(lab, size.boot), _PLAIN: _theirs(lab, size.boot)}
    took: dict[str, list[float]] = collections.defaultdict(list)
    for _ in range(size.few):
        for kind, names in sets.items():
            _together(lab, "start", names)
            took[kind].append(_restart(lab))
            _await(lab, names)
            _together(lab, "kill", names)
    return figures.Outcome(
        figures=(
            figures.Figure(
                what=f"engine's start with {size.boot} containers",
                unit="s",
                ours=tuple(took["fullhost"]),
                against=_PLAIN,
                theirs=tuple(took[_PLAIN]),
                goal=figures.Goal(bound=1.10),
            ),
        )
    )


def _ours(lab: world.Lab, count: int) -> list[str]:
    """Make containers, every other one as fhv does and the rest as people do, by a name of the zone."""
    lab.create_network()
    zone = zones.LOCAL
    names = [f"m{number}" for number in range(1, count + 1)]
    for number, name in enumerate(names, start=1):
        zone = zone.replacing(name, f"A 172.31.0.{20 + number}")
    lab.nameserver.publish(zone, zones.REVERSE)
    for number, name in enumerate(names):
        option = f",driver-opt=fullhost.name={name}" if number % 2 == 0 else ""
        _create(lab, name, f"name={world.NETWORK}{option}")
    return names


def _theirs(lab: world.Lab, count: int) -> list[str]:
    lab.engine.docker("network", "create", "plain")
    names = [f"b{number}" for number in range(1, count + 1)]
    for name in names:
        _create(lab, name, "plain")
    return names


def _create(lab: world.Lab, name: str, network: str) -> None:
    image = images.ensure(lab.engine, images.BUSYBOX)
    words = ("--restart", "unless-stopped", "--stop-signal", "KILL", "--network", network)
    lab.engine.docker("create", "--name", name, *words, image, "sleep", "7200")


def _together(lab: world.Lab, verb: str, names: Sequence[str]) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: start.post(lab, f"/containers/{name}/{verb}"), names))


def _restart(lab: world.Lab) -> float:
    lab.engine.stop()
    began = time.perf_counter()
    lab.engine.start()
    return time.perf_counter() - began


def _await(lab: world.Lab, names: Sequence[str]) -> None:
    """Wait until all run: what did not come up would make the start look quick."""

    def running() -> bool:
        return set(lab.engine.docker("ps", "--format", "{{.Names}}").split()) >= set(names)

    commands.wait("all to run", running, seconds=120)
