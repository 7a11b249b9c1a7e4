"""The host's network namespace, and the outside world that it is wired to."""

import dataclasses
import sys

from tests.lab import commands, place, process

SUBNET = "172.31.0.0/24"
GATEWAY = "172.31.0.1"
GATEWAY6 = "fd00:31::1"  # of networks that have IPv6
BRIDGE = "br0"
HOST_ADDRESS = "198.51.100.2"  # the host's address in the outside world's network
OUTSIDE_ADDRESS = "198.51.100.1"
WIRE = ("203.0.113.1", "203.0.113.2")  # of two hosts that are wired to each other
MIRROR_PORT = 7000  # where the outside world tells who asks


@dataclasses.dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace of this machine: programs run in it, files and processes are the machine's own."""

    name: str

    @property
    def enter(self) -> list[str]:
        """The words before a command that make it run in here.

        `nsenter` and not `ip netns exec`, which mounts a new /sys without control groups.
        """
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def run(self, *command: str, timeout: float = 60) -> str:
        """Run a command in here to its end and return what it prints."""
        return commands.run([*self.enter, *command], timeout=timeout)

    def works(self, *command: str) -> bool:
        """Return whether a command ends well in here."""
        return commands.works([*self.enter, *command])

    def pings(self, address: str) -> bool:
        """Return whether `address`, or a name, answers one echo request within a second."""
        return self.works("ping", "-n", "-c", "1", "-W", "1", address)

    def ip(self, *words: str) -> str:
        """Run `ip` in here."""
        return commands.run(["ip", "-n", self.name, *words])

    def make(self) -> None:
        """Add the namespace, with its loopback up."""
        commands.run(["ip", "netns", "add", self.name])
        self.ip("link", "set", "lo", "up")


class Host(Namespace):
    """The host: its default route leads to the outside world, and nothing is forwarded until someone asks for it."""

    def make_bridge(self) -> None:
        """Make the bridge as an administrator would, before any driver does."""
        self.ip("link", "add", BRIDGE, "type", "bridge")
        self.ip("address", "add", f"{GATEWAY}/24", "dev", BRIDGE)
        self.ip("link", "set", BRIDGE, "up")

    def wire(self, outside: "Outside") -> None:
        """Lay a veth to the outside world: eth0 at either end."""
        there = ["peer", "name", "eth0", "netns", outside.name]
        self.ip("link", "add", "eth0", "type", "veth", *there)
        for end, address in ((self, HOST_ADDRESS), (outside, OUTSIDE_ADDRESS)):
            end.ip("address", "add", f"{address}/24", "dev", "eth0")
            end.ip("link", "set", "eth0", "up")
        self.ip("route", "add", "default", "via", OUTSIDE_ADDRESS)
        # As install.sh does it: it is one limit for the machines of all labs, and is never lowered again.
        self.run("sysctl", "-qw", "fs.inotify.max_user_instances=8192")
        self.forward(enabled=False)  # copied from the machine, which may be a router

    @property
    def is_open(self) -> bool:
        """Whether it forwards all: somebody flushed the rules, and with them the engine's policy DROP."""
        return "-P FORWARD DROP" not in self.run("iptables", "-S", "FORWARD")

    def forward(self, *, enabled: bool) -> None:
        """Turn forwarding on or off; an engine sets its policy DROP only where it turns it on itself."""
        self.run("sysctl", "-qw", f"net.ipv4.ip_forward={enabled:d}")

    def wire_to(self, other: "Host") -> None:
        """Lay a veth to another lab's host: wire0 at either end, which goes with either of them."""
        self.ip("link", "add", "wire0", "type", "veth", "peer", "name", "wire0", "netns", other.name)
        for end, address in zip((self, other), WIRE, strict=True):
            end.ip("address", "add", f"{address}/30", "dev", "wire0")
            end.ip("link", "set", "wire0", "up")


class Outside(Namespace):
    """A world that has no route to the machines: whom it answers, it knows by the host's own address."""

    def hold_mirror(self, where: place.Place) -> None:
        """Start a server on MIRROR_PORT/tcp that tells whoever connects the address it is seen under."""
        mirror = process.Process(where, "mirror")
        root = place.CHECKOUT
        mirror.start([*self.enter, sys.executable, "-m", "tests.lab.mirror", str(MIRROR_PORT)], folder=root)
        mirror.until("listen", lambda: f":{MIRROR_PORT}" in self.run("ss", "-Hltn"))
