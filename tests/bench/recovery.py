"""Recovery: from SIGKILL of the driver to the first call that is answered, and until the keeper has put all back."""

import collections
import json
import time

from tests.bench import caller, figures, scale
from tests.lab import commands, world

_GOAL = figures.Goal(bound=2, absolute=True)
_PULLED = 10  # each so manyth port is pulled from the bridge while nobody looks


def measure(lab: world.Lab, size: scale.Scale) -> figures.Outcome:
    """Return the seconds by standing endpoints; the rules are flushed, and ports pulled, while the driver is dead."""
    calls = caller.engage(lab)
    answered: dict[int, list[float]] = collections.defaultdict(list)
    kept: dict[int, list[float]] = collections.defaultdict(list)
    with caller.sandbox(lab) as take:
        standing = 0
        for wanted in (0, *size.endpoints[1:]):
            names = caller.NAMES[standing:wanted]
            caller.settle(calls, names, take)
            standing = wanted
            for _ in range(size.few):
                first, done = _recover(lab)
                answered[wanted].append(first)
                kept[wanted].append(done)
    return figures.Outcome(
        figures=tuple(
            figures.Figure(
                what=f"{what}, {wanted:,} endpoints",
                unit="s",
                ours=tuple(seconds),
                goal=_GOAL if wanted == max(took) else None,
            )
            for what, took in (("to the first answer", answered), ("until all is put back", kept))
            for wanted, seconds in took.items()
        ),
        curves=(
            figures.Curve(
                title="After SIGKILL",
                x="endpoints",
                y="seconds, medians",
                lines={
                    what: tuple((float(max(n, 1)), figures.percentile(s, 50)) for n, s in took.items())
                    for what, took in (("first answer", answered), ("all put back", kept))
                },
            ),
        ),
    )


def _recover(lab: world.Lab) -> tuple[float, float]:
    """Kill the driver and start it again; return the seconds until it answered, and until all was as before."""
    ports, tables = _ports(lab), _tables(lab)
    lab.driver.kill()
    for table in _tables(lab):
        lab.host.run("nft", "delete", "table", "ip", table)
    for port in ports[::_PULLED]:
        lab.host.ip("link", "set", port, "nomaster")
    began = time.perf_counter()
    lab.driver.start()
    first = time.perf_counter() - began
    commands.wait("all to be put back", lambda: (_ports(lab), _tables(lab)) == (ports, tables), seconds=60)
    return first, time.perf_counter() - began


def _ports(lab: world.Lab) -> list[str]:
    listed = json.loads(lab.host.ip("-json", "link", "show", "master", caller.BRIDGE) or "[]")
    return sorted(link["ifname"] for link in listed if link)


def _tables(lab: world.Lab) -> list[str]:
    words = lab.host.run("nft", "list", "tables").split()
    return sorted(word for word in words if word.startswith("fullhost-"))
