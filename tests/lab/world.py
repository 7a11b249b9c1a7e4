"""The lab as a whole: a host with an engine, a name server and the driver, and the world outside of it."""

import contextlib
import dataclasses
import itertools
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping

from tests.lab import commands, driver, engine, host, images, leftovers, nameserver, place, trees, zones

NETWORK = "fullhost"
DEFAULT_ENGINE = "26.1"  # of the present Debian stable


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Lab:
    """One lab, up or not: what it knows is on disk, so that any process may take it by its name."""

    where: place.Place
    version: str = DEFAULT_ENGINE
    cgroup: engine.Cgroup = engine.Cgroup.V2

    @property
    def outside(self) -> host.Outside:
        """The world that has no route back."""
        return host.Outside(self.where.outside)

    @property
    def host(self) -> host.Host:
        """The host's network namespace."""
        return host.Host(self.where.netns)

    @property
    def engine(self) -> engine.Engine:
        """The Docker engine."""
        return engine.Engine(self.where, self.host, self.version, self.cgroup)

    @property
    def nameserver(self) -> nameserver.Nameserver:
        """BIND."""
        return nameserver.Nameserver(self.where, self.host)

    @property
    def driver(self) -> driver.Driver:
        """The driver under gunicorn."""
        return driver.Driver(self.where, self.host)

    @property
    def environment(self) -> dict[str, str]:
        """What `docker`, `fhv` and the like need in their environment to work on this lab."""
        return {
            "DOCKER_HOST": self.where.docker,
            "FULLHOST_SOCKET": str(self.where.plugin),
            "FHV_SSH_DIR": str(self.where.root / "ssh"),
            "FHV_CONFIG": str(self.where.root / "fhv.toml"),
            "FHV_LOCK_DIR": str(self.where.root / "held"),
            "PATH": f"{self.where.root / 'bin'}:{os.environ.get('PATH', '')}",
            "PYTHONPATH": str(place.CHECKOUT),
        }

    @property
    def enter(self) -> list[str]:
        """The words before a command that is run on the host: its network, and names as its name server knows them."""
        script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        return [*self.host.enter, "unshare", "--mount", "sh", "-c", script, str(self.where.root / "resolv.conf")]

    def up(self) -> None:
        """Bring everything up, after clearing what an earlier run has left; a failure leaves nothing behind."""
        leftovers.clear(self.where)
        self.where.make()
        try:
            self._write_commands()
            self.nameserver.publish(*zones.SEED)
            self._wire(bridge=True)
            self.engine.power_on()
            self._start()
        except BaseException:
            leftovers.clear(self.where)
            raise

    def down(self) -> None:
        """Take everything away."""
        leftovers.clear(self.where)

    def reboot(self, *, bridge: bool = False) -> None:
        """Have the power go and come: links, rules and processes are gone, disks are not.

        `bridge` says whether the administrator's own bridge is made at boot; without it the driver finds none.
        """
        self.engine.power_off()
        for space in (self.host, self.outside):
            leftovers.clear_namespace(space.name)
        self._wire(bridge=bridge)
        self.engine.power_on()
        self._start()

    def create_network(self, *options: str) -> str:
        """Create the network `fullhost`, with `options` for docker; return its id."""
        words = ["-d", "fullhost", "--ipam-driver", "null", *options, NETWORK]
        return self.engine.docker("network", "create", *words).strip()

    def run(self, *command: str, timeout: float = 120) -> str:
        """Run a command as the host's administrator would: its network, its engine, its `fhv`."""
        return commands.run([*self.enter, *command], environment=self.environment, timeout=timeout)

    def clean(self) -> None:
        """Bring the lab back to how it came up, for the next test: the seed's zones, no container, no network.

        What a test has ended runs again. An engine that a test has started with options of its own is its to restart.
        """
        if self.nameserver.pid is None:
            self.nameserver.start()
        self.nameserver.resume()
        self.nameserver.publish(*zones.SEED)
        if not self.driver.plain:
            self.driver.restart()
        before = self.engine.pid
        if self.host.is_open:
            if before is not None:
                self.engine.stop()
            self.host.forward(enabled=False)
        if self.engine.pid is None:
            self.engine.start()
        self.engine.clean()
        if self.engine.pid != before:  # the driver asks no engine that was silent a moment ago
            self.driver.restart()
        if not self.host.works("ip", "link", "show", host.BRIDGE):
            self.host.make_bridge()

    def keep(self) -> None:
        """Mark the lab as left running on purpose, and how to take it again."""
        self.where.kept.write_text(json.dumps({"engine": self.version, "cgroup": self.cgroup}))

    def _wire(self, *, bridge: bool) -> None:
        self.host.make()
        self.outside.make()
        self.host.wire(self.outside)
        self.outside.hold_mirror(self.where)
        if bridge:
            self.host.make_bridge()

    def _start(self) -> None:
        """Start the services, in the order of a real boot: the driver comes before the engine."""
        self.nameserver.start()
        self.driver.start()
        self.engine.start()

    def _write_commands(self) -> None:
        """Write what `run` needs: `docker` of the tree, `fhv` of the checkout, its settings, the resolver's."""
        folder = self.where.root / "bin"
        enter = f'nsenter --target="$(cat {self.where.run}/holder.pid)" --mount --net'
        python = f"{shlex.quote(sys.executable)} -c 'from launcher.cli import main; main()'"
        words = {"docker": f'exec {enter} env -u DOCKER_HOST docker "$@"', "fhv": f'exec {python} "$@"'}
        for name, line in words.items():
            (folder / name).write_text(f"#!/bin/sh\n{line}\n")
            (folder / name).chmod(0o755)
        resolver = "nameserver 127.0.0.1\nsearch local\n"
        (self.where.root / "resolv.conf").write_text(resolver)
        settings = f'image = "{images.SYSTEMD}"\nnetwork = "{NETWORK}"\n'
        (self.where.root / "fhv.toml").write_text(settings)


def kept(name: str) -> Lab:
    """Return the lab that was left running as `name`."""
    where = place.Place(name)
    try:
        known = json.loads(where.kept.read_text())
    except FileNotFoundError:
        raise commands.LabError(f"cannot find the lab {name}: bring it up with `python -m tests.lab up`") from None
    return Lab(where=where, version=known["engine"], cgroup=engine.Cgroup(known["cgroup"]))


@contextlib.contextmanager
def borrowed(*, version: str = DEFAULT_ENGINE, cgroup: engine.Cgroup = engine.Cgroup.V2) -> Iterator[Lab]:
    """Give a lab of one's own for a while, up; several runs on one machine do not meet."""
    trees.ensure(trees.ENGINES[version])
    leftovers.clear_abandoned()
    with contextlib.ExitStack() as stack:
        where = next(filter(None, (_take(f"test{number}", stack) for number in itertools.count())))
        lab = Lab(where=where, version=version, cgroup=cgroup)
        stack.callback(lab.down)
        lab.up()
        yield lab


@contextlib.contextmanager
def engineless(*served: zones.Zone, settings: Mapping[str, str] | None = None) -> Iterator[Lab]:
    """Give a lab without an engine: a kernel's namespace, a name server and the driver, which is told what one tells.

    The driver's state and its `PATH` begin in the lab's own folders: `driver` and `bin`.
    """
    leftovers.clear_abandoned()
    with contextlib.ExitStack() as stack:
        where = next(filter(None, (_take(f"alone{number}", stack) for number in itertools.count())))
        lab = Lab(where=where)
        stack.callback(lab.down)
        leftovers.clear(where)
        where.make()
        lab.nameserver.publish(*served)
        lab.host.make()
        lab.nameserver.start()
        lab.driver.start({"PATH": lab.environment["PATH"], **(settings or {})})
        yield lab


def _take(name: str, stack: contextlib.ExitStack) -> place.Place | None:
    where = place.Place(name)
    try:
        stack.enter_context(place.locked(where.lock, wait=False))
    except place.Held:
        return None
    return where
