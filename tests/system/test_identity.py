"""Whose endpoint is it? Several starts at once, boots, a silent name server: each container ends at its own address."""

import concurrent.futures
import re

import pytest

from tests.lab import commands, images, world, zones

PLAIN = {owner: data.removeprefix("A ") for owner, data in zones.LOCAL.records if owner not in {"host", "database"}}
NAMES = ["webserver", "monitor", "docs", "ubuntu", "tester", "workers", "services", "build"]


@pytest.fixture(autouse=True)
def _network(lab: world.Lab, network: str) -> None:
    assert network
    images.ensure(lab.engine, images.BUSYBOX)


def create(lab: world.Lab, name: str, *options: str, known: bool = False) -> None:
    network = f"name=fullhost,driver-opt=fullhost.name={name}" if known else "fullhost"
    lab.engine.docker("create", "--name", name, "--network", network, *options, images.BUSYBOX, "sleep", "600")


def at_once(lab: world.Lab, verb: str, names: list[str]) -> None:
    """Have the engine do something with all of them at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: lab.engine.docker(*verb.split(), name), names))


def inside(lab: world.Lab, name: str) -> str:
    """Return the addresses that a container itself sees; nothing while it does not run."""
    asked = [*lab.engine.enter, "docker", "exec", name, "ip", "-o", "-4", "addr", "show", "scope", "global"]
    return commands.run(asked) if commands.works(asked) else ""


def await_own_addresses(lab: world.Lab, names: list[str]) -> None:
    for name in names:
        await_address(lab, name, PLAIN[name])
    commands.wait("all to settle", lambda: all(endpoint["settled"] for endpoint in status(lab)["endpoints"]))
    assert {endpoint["name"]: endpoint["address"] for endpoint in status(lab)["endpoints"]} == {
        name: PLAIN[name] for name in names
    }
    links = re.findall(r"fh[0-9a-f]{12}[hc]", lab.host.ip("-br", "link"))
    assert sorted(links) == sorted(str(endpoint["veth"]) for endpoint in status(lab)["endpoints"])


def await_address(lab: world.Lab, name: str, address: str) -> None:
    commands.wait(f"{name} to have {address}", lambda: f"inet {address}/24" in inside(lab, name))


def status(lab: world.Lab) -> dict[str, list[dict[str, object]]]:
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    return found


def counters(lab: world.Lab) -> dict[str, int]:
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    counted: dict[str, int] = found["counters"]
    return counted


def test_several_starts_at_once_without_a_name(lab: world.Lab) -> None:
    lab.driver.restart()
    for name in NAMES:
        create(lab, name)
    at_once(lab, "start", NAMES)
    await_own_addresses(lab, NAMES)
    counted = counters(lab)
    assert counted["moved"] == counted["rung.provisional"] > 0
    assert counted["moved"] + counted.get("settled.candidate", 0) == len(NAMES)


def test_who_was_moved_once_starts_exactly_from_then_on(lab: world.Lab) -> None:
    names = NAMES[:3]
    for name in names:
        create(lab, name)
    at_once(lab, "start", names)
    await_own_addresses(lab, names)
    moved = [endpoint["name"] for endpoint in status(lab)["endpoints"] if endpoint["rung"] == "option"]
    assert moved
    at_once(lab, "restart --time 0", names)
    await_own_addresses(lab, names)
    exact = {endpoint["name"] for endpoint in status(lab)["endpoints"] if endpoint["rung"] == "option"}
    assert exact >= set(moved)


def test_a_running_container_that_is_connected_is_not_taken_for_one_that_waits(lab: world.Lab) -> None:
    create(lab, "webserver")
    lab.engine.docker("run", "--detach", "--name", "docs", "--network", "none", images.BUSYBOX, "sleep", "600")
    lab.engine.docker("network", "disconnect", "none", "docs")
    with pytest.raises(commands.LabError, match=r"cannot give docs the address of webserver"):
        lab.engine.docker("network", "connect", "fullhost", "docs")
    assert status(lab)["endpoints"] == []
    lab.engine.docker("network", "connect", "--driver-opt", "fullhost.name=docs", "fullhost", "docs")
    await_own_addresses(lab, ["docs"])


def test_a_running_container_that_is_connected_while_nobody_waits(lab: world.Lab) -> None:
    lab.engine.docker("run", "--detach", "--name", "docs", "--network", "none", images.BUSYBOX, "sleep", "600")
    lab.engine.docker("network", "disconnect", "none", "docs")
    lab.engine.docker("network", "connect", "fullhost", "docs")
    await_own_addresses(lab, ["docs"])


def test_who_is_connected_again_is_moved_again(lab: world.Lab) -> None:
    lab.engine.docker("run", "--detach", "--name", "docs", "--network", "fullhost", images.BUSYBOX, "sleep", "600")
    for _ in range(3):
        lab.engine.docker("network", "disconnect", "fullhost", "docs")
        lab.engine.docker("network", "connect", "fullhost", "docs")
        await_own_addresses(lab, ["docs"])


def test_a_provisional_address_is_no_name_of_the_zone(lab: world.Lab) -> None:
    zone = zones.LOCAL
    for host in range(192, 250):
        zone = zone.replacing(f"m{host}", f"A 172.31.0.{host}")
    lab.nameserver.publish(zone, zones.REVERSE)
    for name in NAMES[:3]:
        create(lab, name)
    at_once(lab, "start", NAMES[:3])
    await_own_addresses(lab, NAMES[:3])
    given = [line for line in lab.driver.log.splitlines() if "rung=provisional" in line]
    assert given
    assert not [line for line in given[-3:] if any(f"address=172.31.0.{host} " in line for host in range(192, 250))]


def test_a_boot_with_and_without_names(lab: world.Lab) -> None:
    for number, name in enumerate(NAMES):
        create(lab, name, "--restart", "always", known=number % 2 == 0)
    at_once(lab, "start", NAMES)
    lab.reboot(bridge=True)
    await_own_addresses(lab, NAMES)
    assert "address.cache" not in counters(lab), "the name server was there"


def test_a_boot_before_the_name_server(lab: world.Lab) -> None:
    names = NAMES[:4]
    for name in names:
        create(lab, name, "--restart", "always", known=True)
    at_once(lab, "start", names)
    await_own_addresses(lab, names)
    lab.nameserver.stop()
    lab.engine.restart()
    for name in names:
        await_address(lab, name, PLAIN[name])
    assert {endpoint["source"] for endpoint in status(lab)["endpoints"]} == {"cache"}
    lab.nameserver.start()
    await_own_addresses(lab, names)


def test_an_address_that_changed_while_the_name_server_was_away(lab: world.Lab) -> None:
    create(lab, "docs", known=True)
    lab.engine.docker("start", "docs")
    lab.engine.docker("stop", "--time", "0", "docs")
    lab.nameserver.stop()
    lab.engine.docker("start", "docs")
    assert "inet 172.31.0.5/24" in inside(lab, "docs")
    lab.nameserver.publish(zones.LOCAL.replacing("docs", "A 172.31.0.55"), zones.REVERSE)
    lab.nameserver.start()
    await_address(lab, "docs", "172.31.0.55")
