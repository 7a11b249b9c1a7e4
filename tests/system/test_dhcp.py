"""Names that the zone lacks, leased an address by real DHCP servers on a LAN and on the host, on real engines."""

import concurrent.futures
import contextlib
import datetime
import http.client
import json
import pathlib
import time
import typing
from collections.abc import Iterator

import pytest

from tests.lab import commands, host, images, lan, lessor, process, world, zones

REVERSE = zones.Zone("2.0.192.in-addr.arpa", ())
CROWD = ("one", "two", "three")
SHORT = 20  # seconds of a lease of Kea's


@pytest.fixture
def beside(lab: world.Lab) -> Iterator[lan.Lan]:
    """Give the LAN that the lab's host is on with eth1."""
    images.ensure(lab.engine, images.BUSYBOX)
    with lan.beside(lab.where, lab.host) as made:
        yield made
        lab.engine.clean()


class OnTheLan:
    """A DHCP server on the LAN's router; the wire knows when it is there."""

    def __init__(self, lab: world.Lab, where: lan.Lan) -> None:
        self._process, self._router = process.Process(lab.where, "lan-dhcp"), where.router

    def start(self, command: list[str]) -> None:
        """Start it, in place of another one."""
        self._process.start([*self._router.enter, *command])
        self._process.until("listen", lambda: ":67 " in self._router.run("ss", "-Hlun"))

    def stop(self) -> None:
        """End it."""
        self._process.kill()

    @property
    def log(self) -> str:
        """What it has said."""
        return self._process.log.read_text()


@pytest.fixture
def server(lab: world.Lab, beside: lan.Lan) -> Iterator[OnTheLan]:
    made = OnTheLan(lab, beside)
    yield made
    made.stop()


def pool(lab: world.Lab, first: int, last: int, *, seconds: int = lessor.SHORTEST) -> lessor.Lessor:
    folder = lab.where.root / "dhcp"
    folder.mkdir(exist_ok=True)
    (folder / "leases").unlink(missing_ok=True)
    return lessor.Lessor(
        folder=folder, interface="switch", first=f"192.0.2.{first}", last=f"192.0.2.{last}", seconds=seconds
    )


def create(lab: world.Lab, **given: str) -> None:
    known = {
        "parent": lan.PARENT,
        "bridge": "br-lan",
        "subnet": lan.SUBNET,
        "gateway": lan.ROUTER,
        "address": "192.0.2.10",
        "range": "192.0.2.192/26",
        "domain": lan.ZONE.origin,
        "dns": lan.ROUTER,
        "unlisted": "dhcp",
    }
    words = [word for key, text in {**known, **given}.items() for word in ("--opt", f"fullhost.{key}={text}")]
    lab.engine.docker("network", "create", "-d", "fullhost", "--ipam-driver", "null", *words, "lan")


def run(lab: world.Lab, name: str, *words: str) -> str:
    """Start a container that stays, and return its address."""
    stays = ("--stop-signal=KILL", *words, images.BUSYBOX, "sleep", "100000")
    lab.engine.docker("run", "--detach", "--network", "lan", "--name", name, *stays)
    return address(lab, name)


def address(lab: world.Lab, name: str) -> str:
    return lab.engine.docker("inspect", "--format", "{{.NetworkSettings.Networks.lan.IPAddress}}", name).strip()


def status(lab: world.Lab) -> dict[str, typing.Any]:  # type: ignore[explicit-any]  # JSON
    return typing.cast("dict[str, typing.Any]", lab.driver.get("/v1/status"))  # type: ignore[explicit-any]


def endpoint(lab: world.Lab, name: str) -> dict[str, typing.Any]:  # type: ignore[explicit-any]  # JSON
    return next(found for found in status(lab)["endpoints"] if found["name"] == name)


def expiry(lab: world.Lab, name: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(endpoint(lab, name)["lease"]["expires"])


def in_pool(given: str, first: int, last: int) -> bool:
    head, _, tail = given.rpartition(".")
    return head == "192.0.2" and first <= int(tail) <= last


def left_over(lab: world.Lab) -> list[str]:
    """Return the interfaces of clients that are there, and the clients themselves."""
    links = [link["ifname"] for link in json.loads(lab.host.ip("-json", "link")) if link["ifname"].startswith("fl")]
    pids = commands.run(["ip", "netns", "pids", lab.where.netns]).split()
    programs = [pathlib.Path(f"/proc/{pid}/cmdline") for pid in pids]
    return links + [
        path.read_text()[:6] for path in programs if path.exists() and path.read_text().startswith("udhcpc")
    ]


def test_names_on_a_lan_are_leased_an_address_by_dnsmasq(lab: world.Lab, beside: lan.Lan, server: OnTheLan) -> None:
    """As dnsmasq is of itself: it looks for 3 s before it leases an address for the first time."""
    server.start((leases := pool(lab, 100, 120)).dnsmasq())
    create(lab)
    given = run(lab, "scratch")
    assert in_pool(given, 100, 120)
    assert beside.neighbour.pings(given)
    known = endpoint(lab, "scratch")
    assert (known["source"], known["address"], known["settled"]) == ("dhcp", given, True)
    lease, shown = known["lease"], lab.run("fhv", "status")
    assert leases.leases == {given: (lease["mac"], "scratch")}
    assert f"dhcp until {lease['expires'][:19]}Z of {lan.ROUTER}, as {lease['mac']}" in shown
    assert run(lab, "database") == "192.0.2.20", "the zone has it"
    lab.engine.docker("restart", "--time", "0", "scratch")
    assert address(lab, "scratch") == given
    lab.engine.docker("stop", "scratch")
    lab.driver.restart()
    lab.engine.docker("start", "scratch")
    assert address(lab, "scratch") == given
    assert beside.neighbour.pings(given)
    lab.engine.docker("kill", "scratch")
    assert given in leases.leases, "it is only stopped"
    lab.engine.docker("rm", "scratch")
    commands.wait("it to be given back", lambda: (leases.leases, left_over(lab)) == ({}, []), seconds=60)


def test_several_at_once_are_moved_to_what_they_are_leased(lab: world.Lab, beside: lan.Lan, server: OnTheLan) -> None:
    server.start((leases := pool(lab, 100, 120)).dnsmasq())
    create(lab)
    for name in CROWD:
        stays = ("--stop-signal=KILL", images.BUSYBOX, "sleep", "100000")
        lab.engine.docker("create", "--network", "lan", "--name", name, *stays)
    with concurrent.futures.ThreadPoolExecutor(len(CROWD)) as threads:
        list(threads.map(lambda name: lab.engine.docker("start", name), CROWD))
    for name in CROWD:
        commands.wait(f"{name} to be leased its own", lambda: in_pool(address(lab, name), 100, 120), seconds=60)  # noqa: B023
        assert beside.neighbour.pings(address(lab, name))
    assert {name for _, name in leases.leases.values()} == set(CROWD)
    lab.engine.docker("rm", "--force", *CROWD)
    commands.wait("all to be given back", lambda: leases.leases == {}, seconds=60)


def test_a_lease_of_kea_is_renewed_while_the_machine_lives(lab: world.Lab, beside: lan.Lan, server: OnTheLan) -> None:
    server.start(pool(lab, 130, 140, seconds=SHORT).kea())
    create(lab)
    given = run(lab, "scratch")
    assert in_pool(given, 130, 140)
    first = expiry(lab, "scratch")
    pings = [*beside.neighbour.enter, "ping", "-q", "-i", "0.1", "-c", "300", given]
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        pinging = threads.submit(commands.run, pings, timeout=60)
        later = first + datetime.timedelta(seconds=SHORT)
        commands.wait("the lease to be renewed twice", lambda: expiry(lab, "scratch") > later, seconds=90)
        assert " 0% packet loss" in pinging.result()
    assert address(lab, "scratch") == given

    lab.driver.kill()
    lab.driver.start()
    before = expiry(lab, "scratch")
    commands.wait("it to go on after a death", lambda: expiry(lab, "scratch") > before, seconds=60)
    assert (left_over(lab), status(lab)["warnings"]) == ([], [])

    server.stop()
    commands.wait("the silence to be told", lambda: "no DHCP server answers" in lab.run("fhv", "status"), seconds=60)
    server.start(pool(lab, 150, 160, seconds=SHORT).kea())
    commands.wait("it to be moved", lambda: in_pool(address(lab, "scratch") or "0", 150, 160), seconds=90)
    # The engine tells the address a moment before its container has it.
    commands.wait("it to be reached there", lambda: beside.neighbour.pings(address(lab, "scratch")), seconds=10)
    assert not beside.neighbour.pings(given)
    commands.wait("it to be over", lambda: "lease" not in " ".join(status(lab)["warnings"]), seconds=60)


def test_with_an_update_key_what_is_leased_is_registered(lab: world.Lab, beside: lan.Lan, server: OnTheLan) -> None:
    lab.nameserver.publish_updated(*zones.SEED, REVERSE)
    key = {"FULLHOST_UPDATE_KEY_FILE": str(lab.nameserver.key), "FULLHOST_KEEPER_SECONDS": "1"}
    lab.driver.restart(key)
    server.start((leases := pool(lab, 100, 120)).dnsmasq("--no-ping"))
    create(lab, dns="127.0.0.1", domain="local")
    given = run(lab, "scratch")
    pointer = ".".join([*reversed(given.split(".")), "in-addr.arpa."])
    assert lab.nameserver.query("scratch.local") == [given]
    assert lab.nameserver.query(pointer, "PTR") == ["scratch.local."]
    assert "v=fullhost1" in lab.nameserver.query("scratch.local", "TXT")[0], "it bears the driver's mark"
    for _ in range(2):
        lab.engine.docker("restart", "--time", "0", "scratch")
        assert (address(lab, "scratch"), endpoint(lab, "scratch")["source"]) == (given, "dhcp")
    lab.engine.docker("rm", "--force", "scratch")
    commands.wait("the lease to be given back", lambda: leases.leases == {}, seconds=60)
    commands.wait("the name to go", lambda: lab.nameserver.query("scratch.local") == [], seconds=60)
    assert lab.nameserver.query(pointer, "PTR") == []

    lab.nameserver.publish_updated(*zones.SEED)
    with pytest.raises(commands.LabError, match="cannot "):
        run(lab, "unpointed")
    assert leases.leases == {}, "what cannot be registered is given back"


def test_silence_is_refused_in_time_and_leaves_nothing(lab: world.Lab, beside: lan.Lan, server: OnTheLan) -> None:
    create(lab)
    began = time.monotonic()
    with pytest.raises(commands.LabError) as refused:
        run(lab, "scratch")
    assert time.monotonic() - began < 9.5 + 5, "the call's own bound, and what the engine and a busy machine add"
    assert "scratch.lan.example has no A record, and no DHCP server on br-lan answered within 5 s" in str(refused.value)
    assert (status(lab)["endpoints"], left_over(lab)) == ([], [])
    server.start(pool(lab, 100, 120).dnsmasq("--no-ping"))
    lab.engine.docker("start", "scratch")
    assert in_pool(address(lab, "scratch"), 100, 120)


@pytest.mark.parametrize(
    ("subnet", "first", "said"),
    [
        ("192.0.2.0/25", 200, "and it is no address of 192.0.2.0/25"),
        (lan.SUBNET, 20, "and it is the address that the zone gives database"),
        (lan.SUBNET, 10, "and it is the bridge's own address"),
    ],
)
def test_what_cannot_be_given_is_refused_and_given_back(
    lab: world.Lab, beside: lan.Lan, server: OnTheLan, subnet: str, first: int, said: str
) -> None:
    server.start((leases := pool(lab, first, first)).dnsmasq("--no-ping"))
    create(lab, subnet=subnet, range="192.0.2.64/27")
    with pytest.raises(commands.LabError) as refused:
        run(lab, "scratch")
    assert f"cannot give scratch the address 192.0.2.{first}: the DHCP server 192.0.2.1 leased it" in str(refused.value)
    assert said in str(refused.value)
    assert (leases.leases, status(lab)["endpoints"], left_over(lab)) == ({}, [], [])


def test_a_driver_that_dies_while_it_asks_leaves_nothing(lab: world.Lab, beside: lan.Lan, server: OnTheLan) -> None:
    create(lab)
    network = json.loads(lab.engine.docker("network", "inspect", "lan"))[0]["Id"]
    body = {
        "NetworkID": network,
        "EndpointID": "5c" * 32,
        "Options": {"fullhost.name": "scratch"},
        "Interface": {"Address": "", "AddressIPv6": "", "MacAddress": ""},
    }

    def ask() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            lab.driver.post("NetworkDriver.CreateEndpoint", body)

    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        asking = threads.submit(ask)
        commands.wait("it to ask", lambda: len(left_over(lab)) >= 3, seconds=5)
        lab.driver.kill()
        asking.result(timeout=30)
    assert left_over(lab) != []
    lab.driver.start()
    commands.wait("nothing to be left", lambda: left_over(lab) == [], seconds=30)
    server.start(pool(lab, 100, 120).dnsmasq("--no-ping"))
    assert in_pool(run(lab, "scratch"), 100, 120)


def test_a_server_on_the_host_itself(lab: world.Lab) -> None:
    images.ensure(lab.engine, images.BUSYBOX)
    folder = lab.where.root / "dhcp"
    leases = lessor.Lessor(folder=folder, interface=host.BRIDGE, first="172.31.0.100", last="172.31.0.120")
    (folder / "leases").unlink(missing_ok=True)
    lab.create_network("-o", "fullhost.unlisted=dhcp")
    with lessor.serving(lab.where, lab.host, leases.dnsmasq("--no-ping")):
        words = ("run", "--detach", "--network", world.NETWORK, "--name", "scratch", "--stop-signal=KILL")
        lab.engine.docker(*words, images.BUSYBOX, "sleep", "100000")
        (known,) = status(lab)["endpoints"]
        assert (known["source"], list(leases.leases)) == ("dhcp", [known["address"]])
        assert lab.host.pings(known["address"])
        assert lab.engine.docker("exec", "scratch", "ping", "-c", "1", "-W", "2", host.GATEWAY)
