"""Networks whose addresses somebody gives out, on real engines: what DNS says is accepted, moved to, or refused for."""

import pathlib

import pytest

from tests.lab import commands, images, world
from tests.system import test_fhv
from tests.system import test_identity as identity

OWN = ["--ipam-driver", "fullhost", "--subnet", "172.31.0.0/24"]
# Docker's own IPAM gives out the first free address: here one that is no name's.
ENGINE = ["--subnet", "172.31.0.0/24", "--gateway", "172.31.0.1", "--ip-range", "172.31.0.192/26"]
RUN = ["run", "--rm", "--network", "fullhost"]
SHOW = [images.BUSYBOX, "ip", "-o", "-4", "addr", "show", "eth0"]
SLEEP = [images.BUSYBOX, "sleep", "600"]


@pytest.fixture(autouse=True)
def _image(lab: world.Lab) -> None:
    images.ensure(lab.engine, images.BUSYBOX)


def make(lab: world.Lab, *options: str) -> None:
    lab.engine.docker("network", "create", "-d", "fullhost", *options, "fullhost")


def known(lab: world.Lab) -> list[tuple[object, object, object]]:
    """Return the name, the rung, and whether it is settled, of each endpoint."""
    return [(e["name"], e["rung"], e["settled"]) for e in identity.status(lab)["endpoints"]]


def nothing_is_left(lab: world.Lab) -> None:
    """Have the network removed, which the engine refuses while there is an endpoint."""
    assert known(lab) == []
    assert "fh" not in lab.host.ip("-br", "link")
    lab.engine.docker("network", "rm", "fullhost")
    assert identity.status(lab)["networks"] == []


def test_networks_that_are_refused(lab: world.Lab) -> None:
    own = ["--ipam-driver", "fullhost"]
    for options, why in (
        (own, "no subnet was asked for; type: docker network create"),
        ([*OWN, "--ip-range", "172.31.0.128/25"], r"give -o fullhost.range=172.31.0.128/25"),
        ([*OWN, "--aux-address", "router=172.31.0.9"], "reserved in the zone here"),
        ([*OWN, "-o", "fullhost.subnet=10.0.0.0/24"], r"the pool of the network says 172.31.0.0/24"),
        ([], "the engine chose the subnet .* type: docker network create -d fullhost --ipam-driver null"),
        (["--subnet", "172.29.0.0/16"], "is your own choice, add -o fullhost.subnet=172.29.0.0/16"),
    ):
        with pytest.raises(commands.LabError, match=why):
            make(lab, *options)
    assert identity.status(lab)["networks"] == []


@pytest.mark.parametrize("kind", [OWN, ENGINE], ids=["own", "engine"])
def test_addresses_that_were_asked_for(lab: world.Lab, kind: list[str]) -> None:
    docker = lab.engine.docker
    make(lab, *kind)
    assert '"Subnet":"172.31.0.0/24"' in docker("network", "inspect", "-f", "{{json .IPAM.Config}}", "fullhost")
    assert "inet 172.31.0.5/24" in docker(*RUN, "--name", "docs", "--ip", "172.31.0.5", *SHOW)
    named = ["run", "--rm", "--network", "name=fullhost,driver-opt=fullhost.name=docs"]
    assert "inet 172.31.0.5/24" in docker(*named, "--ip", "172.31.0.5", *SHOW)
    for address in ("172.31.0.6", "172.31.0.1"):
        with pytest.raises(commands.LabError, match=r"172.31.0.5|already in use"):
            docker(*named, "--ip", address, *SHOW)
    if kind is OWN:
        with pytest.raises(commands.LabError, match="has no PTR record for it in local"):
            docker(*RUN, "--ip", "172.31.0.77", *SHOW)
    nothing_is_left(lab)


@pytest.mark.parametrize("kind", [OWN, ENGINE], ids=["own", "engine"])
def test_who_has_no_address_yet_ends_at_its_own(lab: world.Lab, kind: list[str]) -> None:
    """Several at once without a word, one that the engine alone would be told, one with its name in an option."""
    make(lab, *kind)
    names = identity.NAMES[:4]
    for name in names[:3]:
        identity.create(lab, name)
    identity.create(lab, names[3], known=True)
    identity.at_once(lab, "start", names)
    identity.await_own_addresses(lab, names)
    assert identity.counters(lab)["moved"] > 0
    lab.driver.restart()
    identity.at_once(lab, "restart --time 0", names)
    identity.await_own_addresses(lab, names)
    lab.engine.docker("rm", "--force", *names)
    nothing_is_left(lab)


def test_the_only_one_that_starts_has_its_own_at_once(lab: world.Lab) -> None:
    docker = lab.engine.docker
    make(lab, *OWN)
    assert "inet 172.31.0.5/24" in docker(*RUN, "--name", "docs", *SHOW)
    with pytest.raises(commands.LabError, match=r"has no A record for nobody.local"):
        docker(*RUN, "--name", "nobody", *SHOW)
    nothing_is_left(lab)


def test_the_engine_lends_no_address_of_the_zone(lab: world.Lab) -> None:
    docker = lab.engine.docker
    make(lab, "--subnet", "172.31.0.0/24", "--gateway", "172.31.0.1")
    with pytest.raises(commands.LabError, match=r"it is of database.* add --ip 172.31.0.5, or make .* --ip-range"):
        docker(*RUN, "--name", "docs", *SHOW)
    assert "inet 172.31.0.2/24" in docker(*RUN, "--name", "database", *SHOW)
    nothing_is_left(lab)


def test_an_address_is_kept_with_the_container(lab: world.Lab) -> None:
    docker = lab.engine.docker
    make(lab, *OWN)
    lab.driver.restart()
    docker("create", "--name", "kept", "--network", "fullhost", "--ip", "172.31.0.5", *SLEEP)
    docker("start", "kept")
    docker("restart", "--time", "0", "kept")
    assert known(lab) == [("docs", "address", True)]
    lab.engine.restart()
    docker("start", "kept")
    identity.await_address(lab, "kept", "172.31.0.5")
    assert known(lab) == [("docs", "address", True)]
    docker("rm", "--force", "kept")
    nothing_is_left(lab)


def test_a_hardware_address_names_the_container(lab: world.Lab) -> None:
    make(lab, "--ipam-driver", "null")
    lab.engine.docker(
        "run", "-d", "--name", "c1", "--network", "fullhost", "--mac-address", "02:66:ac:1f:00:05", *SLEEP
    )
    assert known(lab) == [("docs", "address", True)]
    lab.engine.docker("rm", "--force", "c1")
    nothing_is_left(lab)


@pytest.mark.parametrize("kind", [OWN, ENGINE], ids=["own", "engine"])
def test_fhv_starts_machines_on_it(lab: world.Lab, tmp_path: pathlib.Path, kind: list[str]) -> None:
    images.ensure(lab.engine, images.SYSTEMD)
    make(lab, *kind)
    fhv = test_fhv.Fhv(lab, tmp_path / "fhv.toml")
    for done in ("created", "continued"):
        assert fhv("start", "docs").stdout == f"docs: {done}\n"
        assert fhv.machines() == {"docs": "172.31.0.5"}
        assert known(lab) == [("docs", "option", True)]
        assert fhv("stop", "docs").returncode == 0
    assert fhv("rm", "--yes", "docs").returncode == 0
    nothing_is_left(lab)
