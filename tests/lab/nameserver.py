"""A real BIND in the host's namespace."""

import dataclasses
import pathlib
import signal
import time

from tests.lab import commands, host, place, process, zones

_OPTIONS = """\
options {{
    directory "{folder}";
    pid-file none;
    session-keyfile none;
    listen-on port 53 {{ {gateway}; {wire}; 127.0.0.1; }};  // bridge and wire may come later: named sees them come
    listen-on-v6 port 53 {{ {gateway6}; }};
    recursion no;
    dnssec-validation no;
    notify no;
    allow-transfer {{ localhost; {peer}; }};
}};
controls {{ }};
key "{key}" {{ algorithm hmac-sha256; secret "{secret}"; }};
"""
_ZONE = 'zone "{origin}" {{ type primary; file "{file}"; {policy}}};\n'
_KEY = "drivers"
_SECRET = "dGhlIGtleSBvZiBhIG5hbWUgc2VydmVyIG9mIHRoZSBsYWI="  # noqa: S105 - it opens nothing but a lab


@dataclasses.dataclass(frozen=True, slots=True)
class Nameserver:
    """`named` on the bridge's address and the loopback, primary for what was published last."""

    where: place.Place
    host: host.Host

    @property
    def pid(self) -> int | None:
        """The pid of named, or None."""
        return self._process.pid

    @property
    def _process(self) -> process.Process:
        return process.Process(self.where, "named")

    @property
    def _folder(self) -> pathlib.Path:
        return self.where.root / "named"

    def start(self) -> None:
        """Start named on what was published, and wait until it answers."""
        config = self._folder / "named.conf"
        self._process.start([*self.host.enter, "named", "-g", "-c", str(config)])
        self._await()

    def stop(self) -> None:
        """End named; its port is closed then."""
        self._process.kill()

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def hang(self) -> None:
        """Have named take queries and answer none, until `resume`."""
        self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have a hanging named answer again."""
        self._process.signal(signal.SIGCONT)

    @property
    def key(self) -> pathlib.Path:
        """The file of the key that may update what `publish_updated` has published."""
        return self._folder / "update.key"

    def publish(self, *served: zones.Zone) -> None:
        """Make `served` all the zones there are; a named that runs serves them when this returns."""
        self._publish(served, policy="")

    def publish_updated(self, *served: zones.Zone) -> None:
        """Do the same with zones that the key may update."""
        self.key.write_text(f"{_KEY}:{_SECRET}\n")
        self.key.chmod(0o600)
        self._publish(served, policy=f"update-policy {{ grant {_KEY} zonesub ANY; }}; ")

    def _publish(self, served: tuple[zones.Zone, ...], *, policy: str) -> None:
        """Write configuration and zones; of one that was updated, named believes its own journal and no file."""
        runs, updated = self._process.pid is not None, policy or list(self._folder.glob("*.jnl"))
        if updated:
            self._process.kill()
            for journal in self._folder.glob("*.jnl"):
                journal.unlink()
        # A serial that always grows: named does not load a zone again whose serial has gone down.
        serial = max(int(time.time()), self._served[0] + 1)
        wire, peer = host.WIRE
        addresses = {"gateway": host.GATEWAY, "gateway6": host.GATEWAY6, "wire": wire, "peer": peer}
        config = _OPTIONS.format(folder=self._folder, key=_KEY, secret=_SECRET, **addresses)
        for zone in served:
            file = self._folder / f"{zone.origin}.zone"
            file.write_text(zone.text(serial))
            config += _ZONE.format(origin=zone.origin, file=file, policy=policy)
        (self._folder / "named.conf").write_text(config)
        (self._folder / "served").write_text(" ".join([str(serial), *(zone.origin for zone in served)]))
        if updated and runs:
            self.start()
        elif runs:
            self._process.signal(signal.SIGHUP)
            self._await()

    def query(self, name: str, kind: str = "A") -> list[str]:
        """Return what the server answers on the loopback, one record a line."""
        words = ["dig", "@127.0.0.1", "+short", "+time=1", "+tries=1", name, kind]
        return self.host.run(*words).split("\n")[:-1]

    @property
    def _served(self) -> tuple[int, list[str]]:
        """The serial and the origins that were published last."""
        record = self._folder / "served"
        serial, *origins = record.read_text().split() if record.exists() else ["0"]
        return int(serial), origins

    def _await(self) -> None:
        self._process.until("serve its zones", self._serves_all)

    def _serves_all(self) -> bool:
        serial, origins = self._served
        try:
            return all(str(serial) in " ".join(self.query(origin, "SOA")).split() for origin in origins)
        except commands.LabError:
            return False
