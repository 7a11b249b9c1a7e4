"""Docker Compose, as Debian has it for each engine: three services up at once, each with its own name's address."""

import re
import textwrap
from collections.abc import Mapping

import pytest

from tests.lab import commands, compose, images, place, world, zones
from tests.tally import Promise, Tally

SERVICES = {"webserver": "172.31.0.3", "docs": "172.31.0.5", "ubuntu": "172.31.0.6"}
EXTERNAL = "networks: {machines: {external: true, name: fullhost}}"
MADE = 'networks: {machines: {driver: fullhost, ipam: {driver: "null"}}}'
OWN = "networks: {machines: {driver: fullhost, ipam: {driver: fullhost, config: [{subnet: 172.31.0.0/24}]}}}"
CREATE = ["network", "create", "-d", "fullhost", "--ipam-driver"]


def text(attached: Mapping[str, str], networks: str, *, named: bool = True) -> str:
    """Return a compose file of services with what each says of the network `machines`; version 1 asks for a version."""
    lines = ["version: '3.5'", networks, "services:"]
    for service, words in attached.items():
        lines += [
            f"  {service}:",
            f"    image: {images.BUSYBOX}",
            "    command: sleep 600",
            "    stop_grace_period: 0s",
        ]
        lines += [f"    networks: {{machines: {{{words}}}}}", *([f"    container_name: {service}"] if named else [])]
    return "\n".join(lines)


def plain() -> dict[str, str]:
    return dict.fromkeys(SERVICES, "")


def with_options() -> dict[str, str]:
    return {service: f"driver_opts: {{fullhost.name: {service}}}" for service in SERVICES}


def own(lab: world.Lab) -> compose.Compose:
    """Return the compose that Debian has beside the lab's engine."""
    return compose.Compose(lab.where, lab.version)


def status(lab: world.Lab) -> dict[str, dict[str, str]]:
    """Return the driver's endpoints by their name; those that are not settled have none."""
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    return {endpoint["name"] if endpoint["settled"] else "": endpoint for endpoint in found["endpoints"]}


def moved(lab: world.Lab) -> int:
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    return int(found["counters"].get("moved", 0))


def inside(lab: world.Lab, container: str) -> str:
    """Return the address that a container itself has in the network."""
    shown = lab.engine.docker("exec", container, "ip", "-o", "-4", "addr", "show", "scope", "global")
    return " ".join(re.findall(r"inet (\S+)/24", shown))


def check(lab: world.Lab, right: Mapping[str, str], tally: Tally, *, container: str = "{}") -> None:
    """Wait until each has settled, and see with the containers' own eyes what they have."""
    found: dict[str, str] = {}

    def arrived() -> bool:
        found.update({name: inside(lab, container.format(name)) for name in right})
        return found == right

    try:
        commands.wait("all to settle", lambda: status(lab).keys() == right.keys(), seconds=60)
        commands.wait("each to have its own address", arrived)  # the row of one that is moved comes before its link
    finally:
        tally.add(Promise.STARTS, kept=sum(found.get(name) == right[name] for name in right), of=len(right))


def check_gone(lab: world.Lab) -> None:
    assert lab.engine.docker("ps", "--all", "--quiet") == ""
    assert not status(lab)
    assert not re.findall(r"fh[0-9a-f]{12}", lab.host.ip("-br", "link"))
    assert "lab_machines" not in lab.engine.docker("network", "ls")


@pytest.fixture(autouse=True)
def _image(lab: world.Lab) -> None:
    images.ensure(lab.engine, images.BUSYBOX)


@pytest.mark.parametrize("networks", [EXTERNAL, MADE], ids=["external network", "network of its own"])
def test_three_at_once(lab: world.Lab, networks: str, tally: Tally) -> None:
    if networks == EXTERNAL:
        lab.create_network()
    file = text(plain(), networks)
    own(lab).run(file, "up", "--detach")
    check(lab, SERVICES, tally)
    own(lab).run(file, "restart")
    check(lab, SERVICES, tally)
    own(lab).run(file, "down")
    check_gone(lab)


def test_three_at_once_with_driver_opts_are_never_moved(lab: world.Lab, tally: Tally) -> None:
    lab.create_network()
    newer, file = compose.Compose(lab.where, compose.OPTIONS), text(with_options(), EXTERNAL)
    before = moved(lab)
    newer.run(file, "up", "--detach")
    check(lab, SERVICES, tally)
    assert moved(lab) == before
    newer.run(file, "down")
    check_gone(lab)


def test_driver_opts_that_a_compose_does_not_know(lab: world.Lab, tally: Tally) -> None:
    """Version 1 refuses the file; 2.26 drops them without a word, and each is right in the end all the same."""
    lab.create_network()
    file = text(with_options(), EXTERNAL)
    if lab.version == "20.10":
        with pytest.raises(commands.LabError, match="unsupported option: 'driver_opts'"):
            own(lab).run(file, "up", "--detach")
    else:
        own(lab).run(file, "up", "--detach")
        check(lab, SERVICES, tally)
        own(lab).run(file, "down")
    check_gone(lab)


def test_the_name_that_compose_makes_is_the_name_in_the_zone(lab: world.Lab, tally: Tally) -> None:
    """It is project-service-1; version 1 makes project_service_1, which is no name of a host (RFC 1123)."""
    lab.create_network()
    addresses = {f"lab-{service}-1": f"172.31.0.{30 + number}" for number, service in enumerate(SERVICES)}
    zone = zones.LOCAL
    for name, address in addresses.items():
        zone = zone.replacing(name, f"A {address}")
    lab.nameserver.publish(zone, zones.REVERSE)
    if lab.version == "20.10":
        alone = text({"webserver": ""}, EXTERNAL, named=False)
        with pytest.raises(commands.LabError, match="cannot name a machine 'lab_webserver_1'"):
            own(lab).run(alone, "up", "--detach")
        own(lab).run(alone, "down")
    else:
        file = text(plain(), EXTERNAL, named=False)
        own(lab).run(file, "up", "--detach")
        check(lab, addresses, tally)
        own(lab).run(file, "down")
    check_gone(lab)


@pytest.mark.parametrize("networks", [EXTERNAL, OWN], ids=["external network", "network of its own"])
def test_addresses_in_the_file(lab: world.Lab, networks: str, tally: Tally) -> None:
    if networks == EXTERNAL:
        lab.engine.docker(*CREATE, "fullhost", "--subnet", "172.31.0.0/24", "fullhost")
    file = text({service: f"ipv4_address: {address}" for service, address in SERVICES.items()}, networks)
    before = moved(lab)
    own(lab).run(file, "up", "--detach")
    check(lab, SERVICES, tally)
    assert {endpoint["rung"] for endpoint in status(lab).values()} == {"address"}
    assert moved(lab) == before
    own(lab).run(file, "down")
    check_gone(lab)


def examples() -> list[str]:
    """Return the compose files that the README shows."""
    blocks = re.findall(r"(?m)^    services:\n(?: {4}.*\n)+", (place.CHECKOUT / "README.md").read_text())
    return [textwrap.dedent(block) for block in blocks]


def test_what_the_readme_shows(lab: world.Lab, tally: Tally) -> None:
    zone, reverse, addresses = zones.LOCAL, zones.REVERSE, {"web": "172.31.0.2", "db": "172.31.0.3"}
    for name, address in addresses.items():
        zone = zone.replacing(name, f"A {address}")
        reverse = reverse.replacing(address.rpartition(".")[2], f"PTR {name}.local.")
    lab.nameserver.publish(zone, reverse)
    image, newer = images.ensure(lab.engine, images.BUSYBOX_INIT), compose.Compose(lab.where, compose.OPTIONS)
    assert examples()
    for example in examples():
        if "external" in example:
            lab.create_network()
        file = example.replace("IMAGE", image)
        newer.run(file, "up", "--detach")
        shown = {name: address for name, address in addresses.items() if f"\n  {name}:\n" in file}
        check(lab, shown, tally, container="{}" if "container_name" in file else "lab-{}-1")
        newer.run(file, "down", "--timeout", "0")
        check_gone(lab)
        lab.engine.clean()


def test_networks_that_nobody_can_make(lab: world.Lab) -> None:
    """A null without quotes is YAML's, which no Compose takes; without an IPAM it is Docker's, which chooses itself."""
    with pytest.raises(commands.LabError, match=r"networks\.machines\.ipam\.driver .* be a string"):
        own(lab).run(text(plain(), MADE.replace('"', "")), "up", "--detach")
    with pytest.raises(commands.LabError, match=r"the engine chose the subnet .* --ipam-driver null"):
        own(lab).run(text(plain(), "networks: {machines: {driver: fullhost}}"), "up", "--detach")
    check_gone(lab)
