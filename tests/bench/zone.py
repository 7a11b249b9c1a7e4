"""The zone of the seed: `fhv start` of all of it, beside the seed's way (a container, then pipework, one by one)."""

import collections
import os
import pathlib
import time

from tests.bench import figures, scale, start, tools
from tests.lab import commands, host, images, world, zones

_GOAL = figures.Goal(bound=0.1)
_SCRIPT = pathlib.Path(__file__).with_name("plumbing.sh")
_SEED = "the seed's way"


def measure(lab: world.Lab, size: scale.Scale) -> figures.Outcome:
    """Return the seconds until the zone's machines are there: made for the first time, and continued."""
    names = [owner for owner, _ in zones.LOCAL.records if owner != "host"][: size.names]
    kept = [record for record in zones.LOCAL.records if record[0] in {"host", *names}]
    lab.nameserver.publish(zones.Zone(zones.LOCAL.origin, tuple(kept)), zones.REVERSE)
    lab.create_network()
    (lab.where.root / "fhv.toml").write_text(f'image = "{images.BUSYBOX_INIT}"\nnetwork = "{world.NETWORK}"\n')
    images.ensure(lab.engine, images.BUSYBOX_INIT)
    took: dict[str, dict[str, list[float]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for _ in range(max(1, size.few // 2)):
        for act in ("create", "continue"):
            took[act]["fhv start"].append(_timed(lab, ["fhv", "start"]))
            _stop(lab)
            took[act][_SEED].append(_timed(lab, _plumbing(lab, names)))
            _stop(lab)
        lab.engine.docker("rm", "--force", *lab.engine.docker("ps", "--all", "--quiet").split())
    return figures.Outcome(
        figures=tuple(
            figures.Figure(
                what=f"{act} the {len(names)} names",
                unit="s",
                ours=tuple(both["fhv start"]),
                against=_SEED,
                theirs=tuple(both[_SEED]),
                goal=_GOAL,
            )
            for act, both in took.items()
        )
    )


def _plumbing(lab: world.Lab, names: list[str]) -> list[str]:
    holder = (lab.where.run / "holder.pid").read_text().strip()
    extra = [f"{key}={value}" for key, value in tools.environment().items() if key != "PATH"]
    path = f"PATH={lab.where.root / 'bin'}:{os.environ['PATH']}:{tools.ensure() / 'usr/bin'}"
    return ["env", *extra, path, str(_SCRIPT), images.BUSYBOX_INIT, host.BRIDGE, holder, *names]


def _timed(lab: world.Lab, words: list[str]) -> float:
    began = time.perf_counter()
    lab.run(*words, timeout=600)
    return time.perf_counter() - began


def _stop(lab: world.Lab) -> None:
    """Kill all machines, as nobody measures how they end."""
    for container in lab.engine.docker("ps", "--quiet").split():
        start.stop(lab, container)
    commands.wait("all to be down", lambda: not lab.engine.docker("ps", "--quiet"))
