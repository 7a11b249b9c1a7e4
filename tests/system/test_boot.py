"""An engine boots with thirty containers, half of them with their name in an option: each ends at its own address."""

import concurrent.futures
import time

import pytest

from tests import tally as tallies
from tests.lab import commands, host, images, world, zones

pytestmark = pytest.mark.timeout(900)
NAMES = {f"m{number}": f"172.31.0.{20 + number}" for number in range(1, 31)}
SECONDS = 120
# An engine that goes before all its containers have stopped takes those for stopped by their user (15 s by default).
PATIENT = "--shutdown-timeout=120"


@pytest.fixture(autouse=True)
def _fleet(lab: world.Lab, network: str) -> None:
    """Have thirty names, of which every second container is made as fhv makes it."""
    assert network
    images.ensure(lab.engine, images.BUSYBOX)
    zone = zones.LOCAL
    for name, address in NAMES.items():
        zone = zone.replacing(name, f"A {address}")
    lab.nameserver.publish(zone, zones.REVERSE)


def populate(lab: world.Lab, policy: str) -> None:
    """Run them all, and wait until each has its address: from then on a name has a last known one."""

    def run(name: str) -> None:
        known = int(name[1:]) % 2 == 0
        attached = f"name={world.NETWORK},driver-opt=fullhost.name={name}" if known else world.NETWORK
        words = ["--detach", "--restart", policy, "--stop-timeout=0", "--name", name, "--network", attached]
        lab.engine.docker("run", *words, images.BUSYBOX, "sleep", "100000")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(run, NAMES))
    await_all(lab)


def endpoints(lab: world.Lab) -> list[dict[str, object]]:
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    return list(found["endpoints"])


def wrong(lab: world.Lab) -> set[str]:
    """Return the names that have not settled at their own address."""
    found = {(endpoint["name"], endpoint["address"]) for endpoint in endpoints(lab) if endpoint["settled"]}
    return {name for name, address in NAMES.items() if (name, address) not in found}


def await_all(lab: world.Lab) -> None:
    commands.wait(
        "all to settle", lambda: not wrong(lab), seconds=SECONDS, hint=lambda: lab.engine.docker("ps", "--all")
    )
    assert len(endpoints(lab)) == len(NAMES)


def booted(lab: world.Lab, tally: tallies.Tally) -> None:
    """See all of them up, each with its own address as the kernel has it, and that no start waited on the engine."""
    try:
        await_all(lab)
    finally:
        tally.add(tallies.Promise.STARTS, kept=len(NAMES) - len(wrong(lab)), of=len(NAMES))
    running = lab.engine.docker("ps", "--format", "{{.Names}}").split()
    assert set(running) == set(NAMES)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        reached = dict(zip(NAMES, pool.map(lab.host.pings, NAMES.values()), strict=True))
    assert all(reached.values()), reached
    links = [line for line in lab.host.ip("-o", "link").splitlines() if ": fh" in line]
    assert len(links) == len(NAMES)


def waits(lab: world.Lab, since: int) -> int:
    """Return how many starts have waited for the engine, a fraction of a second each; the others did not ask at all."""
    said = [line for line in lab.driver.log[since:].splitlines() if "the engine did not answer within" in line]
    return len([line for line in said if "it was silent" not in line])


def test_an_engine_that_restarts_with_its_name_server_and_before_it(lab: world.Lab, tally: tallies.Tally) -> None:
    lab.engine.restart(PATIENT)
    populate(lab, "unless-stopped")
    begun, began = len(lab.driver.log), time.monotonic()
    lab.engine.restart(PATIENT)
    took = time.monotonic() - began
    booted(lab, tally)
    assert waits(lab, begun) <= 1 + took / 5, "an engine that was silent is not asked again for five seconds"

    lab.nameserver.stop()
    lab.engine.restart()
    known = {endpoint["name"]: endpoint["address"] for endpoint in endpoints(lab) if endpoint["rung"] == "option"}
    assert known.items() <= NAMES.items(), "the last known ones"
    assert {endpoint["source"] for endpoint in endpoints(lab)} <= {"cache", "range"}
    lab.nameserver.start()
    booted(lab, tally)


def test_a_host_that_crashed(lab: world.Lab, tally: tallies.Tally) -> None:
    lab.engine.clean()
    lab.host.ip("link", "delete", host.BRIDGE)  # so that the driver makes one, and has to after the crash
    lab.create_network()
    populate(lab, "always")
    lab.reboot()
    booted(lab, tally)
