"""A LAN that the host's eth1 leads to: a switch, a router with a world behind it, a name server, a neighbour."""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator

from tests.lab import commands, host, leftovers, place, process, zones

PARENT = "eth1"  # of the host
SUBNET, ROUTER, NEIGHBOUR = "192.0.2.0/24", "192.0.2.1", "192.0.2.50"
BEYOND = "203.0.113.1"  # behind the router, where a mirror tells who asks
ZONE = zones.Zone("lan.example", (("database", "A 192.0.2.20"), ("webserver", "A 192.0.2.21")))
_NAMED = """\
options {{ directory "{folder}"; pid-file none; session-keyfile none; listen-on {{ {router}; }};
    listen-on-v6 {{ none; }}; recursion no; allow-transfer {{ {subnet}; }}; }};
controls {{ }};
zone "{origin}" {{ type primary; file "{file}"; }};
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Lan:
    """The LAN beside the lab at `where`: what is on it knows nothing of the host's own networks."""

    where: place.Place
    at: host.Host

    @property
    def router(self) -> host.Namespace:
        """The router: switch, default gateway, name server."""
        return host.Namespace(f"{self.where.netns}-router")

    @property
    def neighbour(self) -> host.Namespace:
        """A machine of somebody else."""
        return host.Namespace(f"{self.where.netns}-neighbour")

    def up(self) -> None:
        """Make all of it."""
        self.router.make()
        self.neighbour.make()
        self.router.ip("link", "add", "switch", "type", "bridge")
        self.router.ip("address", "add", f"{ROUTER}/24", "dev", "switch")
        self.router.ip("address", "add", f"{BEYOND}/32", "dev", "lo")
        self.router.ip("link", "set", "switch", "up")
        self._plug(self.neighbour, "eth0")
        self.neighbour.ip("address", "add", f"{NEIGHBOUR}/24", "dev", "eth0")
        self.wire()
        self._serve()

    def wire(self) -> None:
        """Lay the cable to the host's interface, which nobody has given an address."""
        self._plug(self.at, PARENT)

    def down(self) -> None:
        """Take it away, and the host's end with it."""
        for space in (self.neighbour, self.router):
            leftovers.clear_namespace(space.name)

    def _plug(self, space: host.Namespace, end: str) -> None:
        port = f"to-{space.name.rpartition('-')[2]}"[:15]
        self.router.ip("link", "add", port, "type", "veth", "peer", "name", end, "netns", space.name)
        self.router.ip("link", "set", port, "master", "switch", "up")
        space.ip("link", "set", end, "up")

    def _serve(self) -> None:
        folder = self.where.root / "lan"
        folder.mkdir(exist_ok=True)
        config, zone = folder / "named.conf", folder / "zone"
        zone.write_text(ZONE.text(1))
        config.write_text(_NAMED.format(folder=folder, router=ROUTER, subnet=SUBNET, origin=ZONE.origin, file=zone))
        named, mirror = process.Process(self.where, "lan-named"), process.Process(self.where, "lan-mirror")
        named.start([*self.router.enter, "named", "-g", "-c", str(config)])
        words = [sys.executable, "-m", "tests.lab.mirror", str(host.MIRROR_PORT)]
        mirror.start([*self.router.enter, *words], folder=place.CHECKOUT)
        asked = ("dig", f"@{ROUTER}", "+short", "+time=1", "+tries=1", f"database.{ZONE.origin}")
        named.until("answer", lambda: commands.works([*self.router.enter, *asked]))
        mirror.until("listen", lambda: f":{host.MIRROR_PORT}" in self.router.run("ss", "-Hltn"))


@contextlib.contextmanager
def beside(where: place.Place, at: host.Host) -> Iterator[Lan]:
    """Give the LAN beside a lab for a while."""
    made = Lan(where, at)
    made.down()
    try:
        made.up()
        yield made
    finally:
        made.down()
