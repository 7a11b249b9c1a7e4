"""Many at once: two dozen containers started and stopped together, with and without their names."""

import concurrent.futures
import re

import pytest

from tests.lab import commands, images, world, zones

ROUNDS = 3
NAMES = [f"m{number}" for number in range(1, 25)]


def address(name: str) -> str:
    return f"172.31.0.{20 + int(name[1:])}"


@pytest.fixture(autouse=True)
def _zone(lab: world.Lab, network: str) -> None:
    assert network
    images.ensure(lab.engine, images.BUSYBOX)
    zone = zones.LOCAL
    for name in NAMES:
        zone = zone.replacing(name, f"A {address(name)}")
    lab.nameserver.publish(zone, zones.REVERSE)


def together(lab: world.Lab, *words: str) -> None:
    with concurrent.futures.ThreadPoolExecutor(len(NAMES)) as pool:
        list(pool.map(lambda name: lab.engine.docker(*words, name), NAMES))


def given(lab: world.Lab) -> dict[str, str]:
    """Return the addresses of settled endpoints by name, as the driver has them."""
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    return {endpoint["name"]: endpoint["address"] for endpoint in found["endpoints"] if endpoint["settled"]}


def inside(lab: world.Lab, name: str) -> list[str]:
    shown = lab.engine.docker("exec", name, "ip", "-o", "-4", "addr", "show", "scope", "global")
    return re.findall(r"inet (\S+)/24", shown)


@pytest.mark.parametrize("known", [True, False], ids=["with names", "without names"])
def test_two_dozen_started_and_stopped_at_once(lab: world.Lab, known: bool) -> None:
    for name in NAMES:
        option = f",driver-opt=fullhost.name={name}" if known else ""
        network = f"name=fullhost{option}"
        lab.engine.docker("create", "--name", name, "--network", network, images.BUSYBOX, "sleep", "600")
    for _ in range(ROUNDS):
        together(lab, "start")
        commands.wait(
            "each to have its own address",
            lambda: given(lab) == {name: address(name) for name in NAMES},
            seconds=60,
        )
        assert {name: inside(lab, name) for name in NAMES} == {name: [address(name)] for name in NAMES}
        together(lab, "kill")
        commands.wait("nothing to be left", lambda: not re.findall(r"fh[0-9a-f]{12}", lab.host.ip("-br", "link")))
        found = lab.driver.get("/v1/status")
        assert isinstance(found, dict)
        assert found["endpoints"] == []
