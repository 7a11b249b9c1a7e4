"""`fhv doctor` in a healthy world, and in worlds that are each broken in one way."""

import dataclasses
import json
from collections.abc import Callable

import pytest

from tests.lab import commands, host, images, world, zones

INPUT = ("iptables", "-P", "INPUT")
CHAIN = "{ type filter hook input priority 0 ; policy drop ; }"


def doctor(lab: world.Lab) -> tuple[int, dict[str, tuple[str, str]]]:
    """Return the exit code, and by check what is not well and what mends it."""
    said, _, code = lab.run("sh", "-c", "fhv doctor --json; echo $?").rstrip().rpartition("\n")
    found = [entry for entry in json.loads(said) if entry["verdict"] != "ok"]
    return int(code), {entry["check"]: (entry["found"], entry["mend"]) for entry in found}


def test_a_healthy_world(lab: world.Lab, network: str) -> None:
    assert network
    assert doctor(lab) == (0, {})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Break:
    """A way to break the world, whether machines work then, what is found, and what puts the world right again."""

    act: Callable[[world.Lab], object]
    code: int = 1
    check: str
    found: str
    mend: str
    undo: Callable[[world.Lab], object] = lambda lab: None


def _commands(*lines: str) -> Callable[[world.Lab], object]:
    return lambda lab: [lab.run(*line.split()) for line in lines]


def _close_nft(lab: world.Lab) -> None:
    lab.run("nft", "add table inet mine")
    lab.run("nft", f"add chain inet mine in {CHAIN}")
    lab.run("nft", "add rule inet mine in iifname lo accept")


def _share_an_address(lab: world.Lab) -> None:
    zone = zones.LOCAL.replacing("one", "A 172.31.0.77").replacing("two", "A 172.31.0.77")
    lab.nameserver.publish(zone, zones.REVERSE)


def _forget(lab: world.Lab) -> None:
    lab.driver.kill()
    for file in (lab.where.root / "driver").iterdir():
        file.unlink()
    lab.driver.start()


def _crash(lab: world.Lab) -> None:
    labels = ("--label", "fullhost.machine=database", "--network", "name=fullhost,driver-opt=fullhost.name=database")
    images.ensure(lab.engine, images.BUSYBOX)
    words = ("run", "--detach", "--restart", "always", "--name", "database", *labels, images.BUSYBOX, "false")
    lab.engine.docker(*words)
    # The engine waits twice as long each time, from 0.1 s on; after six times there is time enough to look.
    state = ("inspect", "--format", "{{.State.Status}} {{.RestartCount}}", "database")
    commands.wait("the engine to wait a while", lambda: lab.engine.docker(*state).strip() == "restarting 6", seconds=60)


def _take_no_updates(lab: world.Lab) -> None:
    """Have a driver with a key that the name server does not let do anything."""
    lab.nameserver.publish_updated(*zones.SEED)
    lab.nameserver.publish(*zones.SEED)
    lab.driver.restart({"FULLHOST_UPDATE_KEY_FILE": str(lab.nameserver.key)})
    lab.engine.docker("network", "rm", "fullhost")
    lab.create_network()


def _misdirect(lab: world.Lab) -> None:
    lab.nameserver.publish(zones.LOCAL, zones.REVERSE.replacing("2", "PTR other.local."))


BROKEN = {
    "no updates": Break(
        act=_take_no_updates, check="updates", found="does not let the key", mend="the update-policy of the zone"
    ),
    "a pointer that leads astray": Break(
        act=_misdirect,
        code=0,
        check="reverse",
        found="database.local is 172.31.0.2, whose PTR record leads to other.local",
        mend="2.0.31.172.in-addr.arpa. IN PTR database.local.",
    ),
    "the engine is down": Break(
        act=lambda lab: lab.engine.stop(), check="engine", found="cannot reach the Docker engine", mend="start docker"
    ),
    "the driver is down": Break(
        act=lambda lab: lab.driver.kill(), check="driver", found="it is not running", mend="start fullhost"
    ),
    "the name server is down": Break(
        act=lambda lab: lab.nameserver.stop(), check="zone", found="cannot transfer the zone local", mend="dig"
    ),
    "no network": Break(
        act=_commands("docker network rm fullhost"), check="network", found="none of this name", mend="network create"
    ),
    "the driver has forgotten the network": Break(
        act=_forget, check="network", found="the driver does not know it", mend="docker network rm fullhost"
    ),
    "no forwarding": Break(
        act=_commands("sysctl -qw net.ipv4.ip_forward=0"),
        check="driver",
        found="cannot reach the world",
        mend="ip_forward=1",
        undo=_commands("sysctl -qw net.ipv4.ip_forward=1"),
    ),
    "another way to the subnet": Break(
        act=_commands(f"ip route add 172.31.0.64/26 via {host.OUTSIDE_ADDRESS}"),
        check="routes",
        found="172.31.0.64/26 is reached by",
        mend="ip route del 172.31.0.64/26",
        undo=_commands("ip route del 172.31.0.64/26"),
    ),
    "nftables closed to what is forwarded": Break(
        act=_commands(
            "nft add table inet mine", f"nft add chain inet mine through {CHAIN.replace('input', 'forward')}"
        ),
        check="firewall",
        found="the chain inet mine through drops what comes in by br0",
        mend="nft insert rule inet mine through iifname br0 accept; nft insert rule inet mine through oifname br0",
        undo=_commands("nft delete table inet mine"),
    ),
    "nftables closed": Break(
        act=_close_nft,
        code=0,
        check="firewall",
        found="the host drops what comes in by br0",
        mend="nft insert rule inet mine in iifname br0 meta l4proto",
        undo=_commands("nft delete table inet mine"),
    ),
    "an address of two names": Break(
        act=_share_an_address, code=0, check="zone", found="cannot tell which of", mend="IN PTR"
    ),
    "few inotify instances": Break(  # enough for what else runs here now
        act=_commands("sysctl -qw fs.inotify.max_user_instances=1000"),
        code=0,
        check="limits",
        found="1000 inotify instances: room for about 142 machines with systemd",
        mend="sysctl fs.inotify.max_user_instances=8192",
        undo=_commands("sysctl -qw fs.inotify.max_user_instances=8192"),
    ),
    "a machine that crashes": Break(
        act=_crash, code=0, check="machine", found="database ends again and again", mend="fhv logs database"
    ),
}


@pytest.mark.parametrize("way", BROKEN.values(), ids=BROKEN)
def test_a_broken_world(lab: world.Lab, network: str, way: Break) -> None:
    assert network
    try:
        way.act(lab)
        code, found = doctor(lab)
    finally:
        way.undo(lab)
    assert code == way.code
    assert (way.found in found[way.check][0], way.mend in found[way.check][1]) == (True, True), found
