"""Names that the zone lacks, on real engines: registered, followed, taken back; two engines that share a BIND."""

import concurrent.futures
import json
from collections.abc import Iterator

import pytest

from tests.lab import commands, host, images, world, zones
from tests.tally import Promise, Tally

REGISTRATIONS = 200
AT_ONCE = 16  # then, of those that were refused since the 2.7 s of a call were over
ROUNDS = 5
LAN = zones.Zone("77.10.in-addr.arpa", (("1.0", "PTR host.local."),))
SHARED = ["fullhost.bridge=br77", "fullhost.subnet=10.77.0.0/16", "fullhost.range=10.77.4.0/22"]
POOLS = tuple(zones.Zone(f"{n}.172.in-addr.arpa", ()) for n in range(18, 22))
CROWD = tuple(f"crowd{n}" for n in range(4))


@pytest.fixture
def registering(lab: world.Lab) -> world.Lab:
    """Give a lab whose zones the driver may update."""
    images.ensure(lab.engine, images.BUSYBOX)
    lab.nameserver.publish_updated(*zones.SEED, LAN, *POOLS)
    lab.driver.restart(_settings(lab))
    return lab


@pytest.fixture
def neighbour(registering: world.Lab) -> Iterator[world.Lab]:
    """Give a second lab, wired to the first one, whose driver may update the first one's zones."""
    with world.borrowed(version=registering.version, cgroup=registering.cgroup) as other:
        images.ensure(other.engine, images.BUSYBOX)
        registering.host.wire_to(other.host)
        other.driver.restart(_settings(registering))
        yield other


def _settings(of: world.Lab) -> dict[str, str]:
    key = str(of.nameserver.key)
    return {"FULLHOST_UPDATE_KEY_FILE": key, "FULLHOST_KEEPER_SECONDS": "1", "FULLHOST_DNS": host.WIRE[0]}


def _run(lab: world.Lab, name: str, network: str = world.NETWORK) -> str:
    """Start a container that stays, and return its address."""
    words = ["--detach", "--network", network, "--name", name, "--stop-signal=KILL"]
    lab.engine.docker("run", *words, images.BUSYBOX, "sleep", "100000")
    return _address(lab, name)


def _address(lab: world.Lab, name: str) -> str:
    told = lab.engine.docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", name)
    return str(next(iter(json.loads(told).values()))["IPAddress"])


def _records(lab: world.Lab, name: str) -> list[str]:
    """Return the addresses of a name; while the pointer of one does not lead back to it, what it leads to."""
    addresses = lab.nameserver.query(f"{name}.local")
    pointers = [pointer for address in addresses for pointer in lab.nameserver.query(_pointer(address), "PTR")]
    return addresses if pointers == [f"{name}.local." for _ in addresses] else ["?", *pointers]


def _transfer(lab: world.Lab, origin: str) -> dict[str, str]:
    """Return the A and PTR records of a zone by name."""
    lines = lab.host.run("dig", "@127.0.0.1", "+noall", "+answer", origin, "AXFR").splitlines()
    return {words[0]: words[4] for line in lines if (words := line.split())[3] in {"A", "PTR"}}


def _pointer(address: str) -> str:
    return ".".join([*reversed(address.split(".")), "in-addr.arpa."])


def _await(lab: world.Lab, name: str, *addresses: str) -> None:
    commands.wait(f"{name} to have {addresses}", lambda: _records(lab, name) == list(addresses))


def test_names_that_the_zone_lacks(registering: world.Lab) -> None:
    """Alone and in a crowd; stopped, renamed, removed; a listed name is what it was."""
    lab = registering
    lab.create_network("-o", f"fullhost.dns={host.GATEWAY}")
    address = _run(lab, "scratch")
    assert _records(lab, "scratch") == [address]
    assert _run(lab, "database") == "172.31.0.2"
    with concurrent.futures.ThreadPoolExecutor(len(CROWD)) as threads:
        list(threads.map(lambda name: _run(lab, name), CROWD))
    commands.wait("the crowd to be registered", lambda: all(_records(lab, name) for name in CROWD))
    found = {name: _records(lab, name) for name in CROWD}
    commands.wait("the crowd to have it", lambda: all([_address(lab, name)] == found[name] for name in CROWD))
    assert len({address, *(given for (given,) in found.values())}) == len(CROWD) + 1

    lab.engine.docker("rename", "scratch", "renamed")
    _await(lab, "renamed", address)
    _await(lab, "scratch")
    lab.engine.docker("restart", "--time", "1", "renamed")
    assert _address(lab, "renamed") == address
    lab.engine.docker("kill", "renamed", CROWD[0])
    lab.engine.docker("rm", "renamed")
    _await(lab, "renamed")
    assert _records(lab, CROWD[0]) == found[CROWD[0]], "it is only stopped"
    assert _records(lab, "database") == ["172.31.0.2"]


def test_people_list_add_and_remove_names(registering: world.Lab) -> None:
    lab = registering
    lab.create_network("-o", f"fullhost.dns={host.GATEWAY}")
    lab.run("fhv", "dns", "add", "wiki")
    (address,) = _records(lab, "wiki")
    assert _run(lab, "wiki") == address
    scratch = _run(lab, "scratch")
    entries = {entry["name"]: entry for entry in json.loads(lab.run("fhv", "dns", "list", "--json"))}
    assert entries["wiki"]["addresses"] == [{"address": address, "pointer": "wiki"}]
    assert (entries["wiki"]["registered_by"], entries["scratch"]["here"]) == (None, True)
    for name in ("wiki", "scratch"):
        with pytest.raises(commands.LabError, match=f"the endpoint .* of {name} has"):
            lab.run("fhv", "dns", "rm", "--yes", name)
    lab.engine.docker("rm", "--force", "wiki")
    lab.run("fhv", "dns", "rm", "--yes", "wiki")
    assert (_records(lab, "wiki"), lab.nameserver.query(_pointer(address), "PTR")) == ([], [])
    assert _records(lab, "scratch") == [scratch]

    lab.nameserver.hang()
    lab.engine.docker("rm", "--force", "scratch")
    commands.wait("it to be told", lambda: "scratch.local" in lab.run("fhv", "status"), seconds=60)
    lab.nameserver.resume()
    _await(lab, "scratch")
    commands.wait("it to be over", lambda: "scratch.local" not in lab.run("fhv", "status"), seconds=60)


def test_a_bare_network_registers_what_the_engine_gives(registering: world.Lab) -> None:
    lab = registering
    lab.driver.restart({**_settings(lab), "FULLHOST_DNS": "127.0.0.1"})
    lab.engine.docker("network", "create", "--driver", "fullhost", "bare")
    first, second = _run(lab, "one", "bare"), _run(lab, "two", "bare")
    assert first.startswith("172.")
    for name, address in (("one", first), ("two", second)):
        _await(lab, name, address)
    lab.engine.docker("stop", "one", "two")
    for name in ("two", "one"):
        lab.engine.docker("start", name)
        _await(lab, name, _address(lab, name))
    with pytest.raises(commands.LabError, match=r"DNS gives database\.local"):
        _run(lab, "database", "bare")
    lab.engine.docker("rm", "--force", "database", "one", "two")
    lab.engine.docker("network", "rm", "bare")
    for name in ("one", "two"):
        _await(lab, name)


def test_two_engines_that_share_a_name_server(registering: world.Lab, neighbour: world.Lab, tally: Tally) -> None:
    labs = (registering, neighbour)
    for lab in labs:  # which do not tidy meanwhile: no container is of these endpoints
        lab.driver.restart({**_settings(registering), "FULLHOST_KEEPER_SECONDS": "300"})
    options = [word for option in SHARED for word in ("-o", option)]
    networks = [lab.create_network(*options) for lab in labs]

    def register(number: int) -> str:
        which = number % 2
        body = {
            "NetworkID": networks[which],
            "EndpointID": f"{number:012x}".ljust(64, "0"),
            "Options": {"fullhost.name": f"m{number}"},
            "Interface": {},
        }
        return str(labs[which].driver.post("NetworkDriver.CreateEndpoint", body))

    wanted = list(range(REGISTRATIONS))
    for at_once in (REGISTRATIONS, *[AT_ONCE] * ROUNDS):
        with concurrent.futures.ThreadPoolExecutor(at_once) as threads:
            answers = dict(zip(wanted, threads.map(register, wanted), strict=True))
        wanted = [number for number, answer in answers.items() if "Err" in answer]
        assert all("cannot " in answers[number] for number in wanted), answers
        if not wanted:
            break
    given = {
        str(record["name"]): str(record["address"])
        for lab in labs
        for record in lab.driver.get("/v1/status")["endpoints"]  # type: ignore[index]
    }
    zone, reverse = _transfer(registering, "local"), _transfer(registering, LAN.origin)
    right = {
        name
        for name, address in given.items()
        if zone[f"{name}.local."] == address and reverse[_pointer(address)] == f"{name}.local."
    }
    tally.add(Promise.REGISTRATIONS, kept=len({given[name] for name in right}), of=REGISTRATIONS)
    assert len(right) == len(set(given.values())) == REGISTRATIONS
    assert wanted == []
    for lab, name in ((registering, "here"), (neighbour, "there")):
        assert [_run(lab, name)] == _records(registering, name)
    with pytest.raises(commands.LabError, match=r"cannot .*here"):
        _run(neighbour, "here")
