"""Where a lab keeps its things: every name that it gives to anything on this machine is made here."""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
from collections.abc import Iterator

from tests.lab import commands

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PREFIX = "fhlab"
ROOT = pathlib.Path("/var/lib") / PREFIX  # on a disk: an engine's layers may not lie on a tmpfs


def cache() -> pathlib.Path:
    """Return the folder of what is costly to make: outside the checkout, kept from run to run."""
    path = pathlib.Path(os.environ.get("FULLHOST_LAB_CACHE", "/var/cache/fullhost-lab"))
    path.mkdir(parents=True, exist_ok=True)
    return path


class Held(commands.LabError):
    """Another run holds the lock."""


@contextlib.contextmanager
def locked(name: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the machine-wide lock `name`; the kernel lets go of it when its holder dies.

    Without `wait` a lock that another run has is Held.
    """
    with (cache() / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Held(f"cannot take {name}: another run holds it; wait for that, or choose another") from None
        yield


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """The folders, namespaces and control group of the lab called `name`."""

    name: str

    @property
    def netns(self) -> str:
        """The host's network namespace, as `ip netns` knows it."""
        return f"{PREFIX}-{self.name}"

    @property
    def outside(self) -> str:
        """The outside world's network namespace."""
        return f"{PREFIX}-{self.name}-outside"

    @property
    def cgroup(self) -> str:
        """The control group, directly below the root of each hierarchy, of the lab's containers."""
        return f"{PREFIX}-{self.name}"

    @property
    def lock(self) -> str:
        """The lock that a run holds for as long as the lab is its own."""
        return f"lab-{self.name}"

    @property
    def root(self) -> pathlib.Path:
        """The folder of all that the lab writes."""
        return ROOT / self.name

    @property
    def run(self) -> pathlib.Path:
        """What the engine sees as /run: its socket and those of its plugins."""
        return self.root / "run"

    @property
    def docker(self) -> str:
        """The engine's API, for DOCKER_HOST."""
        return f"unix://{self.run}/docker.sock"

    @property
    def plugin(self) -> pathlib.Path:
        """The driver's socket: in the engine's eyes /run/docker/plugins/fullhost.sock."""
        return self.run / "docker" / "plugins" / "fullhost.sock"

    @property
    def kept(self) -> pathlib.Path:
        """The mark of a lab that was left running on purpose."""
        return self.root / "kept.json"

    def log(self, program: str) -> pathlib.Path:
        """Return where a program of the lab writes what it has to say."""
        return self.root / "log" / f"{program}.log"

    def make(self) -> None:
        """Make the folders; they may be there."""
        for folder in ("run", "log", "pid", "data", "tree", "named", "driver", "bin"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
