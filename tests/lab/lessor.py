"""DHCP servers of two houses, as commands: dnsmasq, and Kea, whose leases may be as short as a test wants them."""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterator, Sequence

from tests.lab import host, place, process

SHORTEST = 120  # seconds: dnsmasq makes a lease no shorter


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lessor:
    """A server on an interface that leases the addresses from `first` to `last`; it writes below the folder alone."""

    folder: pathlib.Path
    interface: str
    first: str
    last: str
    subnet: str = "192.0.2.0/24"
    seconds: int = SHORTEST

    def dnsmasq(self, *more: str) -> list[str]:
        """Return the command that runs dnsmasq in the foreground, with `more` words."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = f"--dhcp-leasefile={self.folder}/leases"
        pool = f"--dhcp-range={self.first},{self.last},{self.seconds}"
        plain = ["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0", "--log-facility=-"]
        return ["dnsmasq", *plain, f"--interface={self.interface}", "--bind-interfaces", kept, pool, *more]

    def kea(self, **more: object) -> list[str]:
        """Return the command that runs Kea, with `more` words in what it says of the subnet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        subnet = {"id": 1, "subnet": self.subnet, "pools": [{"pool": f"{self.first} - {self.last}"}], **more}
        config = {
            "interfaces-config": {"interfaces": [self.interface]},
            "lease-database": {"type": "memfile", "persist": False},
            "valid-lifetime": self.seconds,
            "subnet4": [subnet],
            "loggers": [{"name": "kea-dhcp4", "output_options": [{"output": "stdout"}], "severity": "INFO"}],
        }
        file = self.folder / "kea.json"
        file.write_text(json.dumps({"Dhcp4": config}))
        return ["env", f"KEA_PIDFILE_DIR={self.folder}", "KEA_LOCKFILE_DIR=none", "kea-dhcp4", "-c", str(file)]

    @property
    def leases(self) -> dict[str, tuple[str, str]]:
        """What dnsmasq has leased: by address, the hardware address and the name."""
        file = self.folder / "leases"
        lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        return {words[2]: (words[1], words[3]) for words in lines}


@contextlib.contextmanager
def serving(where: place.Place, space: host.Namespace, command: Sequence[str]) -> Iterator[None]:
    """Have a server run in a namespace for a while."""
    server = process.Process(where, "dhcp")
    server.start([*space.enter, *command])
    try:
        server.until("listen", lambda: ":67 " in space.run("ss", "-Hlun"))
        yield
    finally:
        server.kill()
