"""`docker start` on fullhost beside what a user would take instead, in rounds in which each has its turn."""

import collections
import http.client
import time
from collections.abc import Mapping, Sequence

from tests.bench import figures, scale
from tests.lab import commands, host, images, unixhttp, world, zones

OURS = "fullhost"
UNNAMED = "fullhost, name not given"
QUIET = "fullhost, no announcements"
BRIDGE = "user-defined bridge"
NONE = "none"
_GOAL = figures.Goal(bound=1.00, together=0.95)
_QUIET_NETWORK = (
    *("-o", "fullhost.bridge=brquiet", "-o", "fullhost.subnet=172.31.9.0/24", "-o", "fullhost.dns=127.0.0.1"),
    *("-o", "com.docker.network.advertise_addr_nmsgs=0"),
)
_MACVLAN = ("--subnet", "198.51.100.0/24", "--ip-range", "198.51.100.128/25", "-o", "parent=eth0")
_KINDS: Mapping[str, tuple[str, ...]] = {
    # The label is fhv's: with it the container is not taken for one that may be about to start without a name.
    OURS: ("--network", "name=fullhost,driver-opt=fullhost.name=database", "--label", "fullhost.machine=database"),
    UNNAMED: ("--network", "fullhost"),
    QUIET: ("--network", "name=quiet,driver-opt=fullhost.name=quiet"),
    BRIDGE: ("--network", "plain"),
    "default bridge": ("--network", "bridge"),
    "user-defined bridge, -p": ("--network", "plain", "-p", "18080:80"),
    "macvlan": ("--network", "vlan"),
    NONE: ("--network", "none"),
}
_NAMES = {UNNAMED: "webserver"}  # where the container's name is its name in the zone


def measure(lab: world.Lab, size: scale.Scale) -> figures.Outcome:
    """Return the milliseconds of a start of each kind."""
    containers = prepare(lab, tuple(_KINDS))
    took: dict[str, list[float]] = collections.defaultdict(list)
    for number in range(size.warm + size.rounds):
        for kind in _turn(tuple(containers), number):
            milliseconds = start(lab, containers[kind])
            stop(lab, containers[kind])
            if number >= size.warm:
                took[kind].append(milliseconds)
    rest = [kind for kind in containers if kind not in (OURS, BRIDGE)]
    ours = tuple(took[OURS])
    return figures.Outcome(
        figures=(
            figures.Figure(what="start", unit="ms", ours=ours, against=BRIDGE, theirs=tuple(took[BRIDGE]), goal=_GOAL),
            *(figures.Figure(what="start", unit="ms", ours=ours, against=k, theirs=tuple(took[k])) for k in rest),
        )
    )


def prepare(lab: world.Lab, kinds: Sequence[str]) -> dict[str, str]:
    """Make the networks and one container of each kind; return the containers' ids by kind."""
    docker = lab.engine.docker
    image = images.ensure(lab.engine, images.BUSYBOX)
    lab.nameserver.publish(zones.LOCAL.replacing("quiet", "A 172.31.9.2"), zones.REVERSE)
    lab.create_network()
    docker("network", "create", "-d", "fullhost", "--ipam-driver", "null", *_QUIET_NETWORK, "quiet")
    docker("network", "create", "plain")
    docker("network", "create", "-d", "macvlan", *_MACVLAN, "--gateway", host.OUTSIDE_ADDRESS, "vlan")
    return {
        kind: docker(
            "create", "--name", _NAMES.get(kind, f"bench{number}"), *_KINDS[kind], image, "sleep", "3600"
        ).strip()
        for number, kind in enumerate(kinds)
    }


def start(lab: world.Lab, container: str) -> float:
    """Start a container over the API, without a command line in between; return the milliseconds that it took."""
    began = time.perf_counter()
    post(lab, f"/containers/{container}/start")
    return (time.perf_counter() - began) * 1000


def stop(lab: world.Lab, container: str) -> None:
    """End a container at once, and wait until the engine has released what it had."""
    post(lab, f"/containers/{container}/stop?t=0")


def post(lab: world.Lab, call: str) -> None:
    """Have the engine do something; a refusal is a LabError."""
    answer = unixhttp.ask(lab.engine.socket, "POST", call, timeout=120)
    if answer.status not in (http.client.OK, http.client.NO_CONTENT):
        raise commands.LabError(f"cannot measure: POST {call} gives {answer.status} {answer.body.decode()}")


def _turn(kinds: tuple[str, ...], number: int) -> tuple[str, ...]:
    """Return the kinds in another order each round: no one always follows the same other one."""
    first = number % len(kinds)
    ordered = kinds[first:] + kinds[:first]
    return ordered if number % 2 else ordered[::-1]
