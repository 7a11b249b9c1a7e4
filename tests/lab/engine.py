"""A real Docker engine, in a mount and a pid namespace of its own, on a Debian tree of its own."""

import contextlib
import dataclasses
import enum
import pathlib
import signal
import typing
from collections.abc import Iterator

import docker as sdk

from tests.lab import commands, host, place, process, trees, unixhttp

_BOOT = pathlib.Path(__file__).with_name("boot.sh")


class Cgroup(enum.StrEnum):
    """The layout of control groups that the engine finds."""

    V1 = "1"
    V2 = "2"


@dataclasses.dataclass(frozen=True, slots=True)
class Engine:
    """The engine of the lab's host; `version` is a key of `trees.ENGINES`."""

    where: place.Place
    host: host.Host
    version: str
    cgroup: Cgroup

    @property
    def socket(self) -> pathlib.Path:
        """The API's socket, as seen from this machine."""
        return self.where.run / "docker.sock"

    @property
    def _holder(self) -> process.Process:
        return process.Process(self.where, "holder")

    @property
    def _daemon(self) -> process.Process:
        return process.Process(self.where, "engine")

    @property
    def _starter(self) -> process.Process:
        """The nsenter that is the parent of dockerd, and so the one that writes its log."""
        return process.Process(self.where, "dockerd")

    @property
    def enter(self) -> list[str]:
        """The words before a command that make it run where the engine runs: its files, its network."""
        try:
            pid = (self.where.run / "holder.pid").read_text().strip()
        except FileNotFoundError:
            raise commands.LabError("cannot enter the engine's host: it is off; bring the lab up") from None
        return ["nsenter", f"--target={pid}", "--mount", "--net"]

    def power_on(self) -> None:
        """Make the host's file system, with an empty /run, and its first process; the engine is not started."""
        if self.cgroup is Cgroup.V1 and not pathlib.Path("/sys/fs/cgroup/memory").is_dir():
            raise commands.LabError("cannot give an engine cgroup v1: this machine has none; use --cgroup 2")
        command = ["sh", str(_BOOT), str(trees.ensure(trees.ENGINES[self.version])), str(self.where.root)]
        apart = ["unshare", "--mount", "--pid", "--kill-child"]
        holder = self.where.run / "holder.pid"
        holder.unlink(missing_ok=True)
        self._holder.start([*self.host.enter, *apart, *command, self.cgroup])
        self._holder.until("boot", holder.exists)

    def power_off(self) -> None:
        """End every process of the engine and of its containers at once, as when the power goes."""
        self._holder.kill()

    def start(self, *options: str) -> None:
        """Start dockerd, with `options` besides the lab's own, and wait until its API answers."""
        apart = [*self.enter, "--pid", "dockerd", "--host=unix:///run/docker.sock", "--group=root"]
        parent = f"--cgroup-parent=/{self.where.cgroup}"
        self._starter.start([*apart, parent, "--exec-opt=native.cgroupdriver=cgroupfs", *options])
        self._starter.until("answer", lambda: unixhttp.answers(self.socket, "/_ping"))
        self._daemon.record(self._find())

    def stop(self) -> None:
        """Ask dockerd to end: it stops its containers, unless it was started with --live-restore."""
        self._daemon.stop(seconds=60)
        self._await_burial()

    def kill(self) -> None:
        """End dockerd by SIGKILL; containerd, shims and containers live on, as they do on a real host."""
        self._daemon.signal(signal.SIGKILL)
        self._await_burial()

    def restart(self, *options: str) -> None:
        """Stop and start."""
        self.stop()
        self.start(*options)

    @property
    def pid(self) -> int | None:
        """The pid of dockerd as this machine counts, or None."""
        return self._daemon.pid

    def docker(self, *words: str, stdin: typing.IO[bytes] | None = None, timeout: float = 120) -> str:
        """Run the tree's own docker command and return what it prints; files it reads are the tree's."""
        return commands.run([*self.enter, "docker", *words], stdin=stdin, timeout=timeout)

    @contextlib.contextmanager
    def client(self) -> Iterator[sdk.DockerClient]:
        """Give a client of the API, closed at the end."""
        client = sdk.DockerClient(base_url=self.where.docker, timeout=60)
        try:
            yield client
        finally:
            client.close()

    def clean(self) -> None:
        """Remove every container, and every network that the engine did not make itself.

        An engine that failed to start or to stop a container may keep its endpoint until it is started anew.
        """
        if containers := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", "--volumes", *containers)
        try:
            self._remove_networks()
        except commands.LabError:
            self.restart()
            self._remove_networks()

    def _remove_networks(self) -> None:
        if networks := self.docker("network", "ls", "--quiet", "--filter", "type=custom").split():
            self.docker("network", "rm", *networks)

    def _await_burial(self) -> None:
        """Wait until the parent has reaped dockerd: the next one does not start while its pid still stands."""
        commands.wait("the engine to be gone", lambda: self._starter.pid is None)

    def _find(self) -> int:
        for pid in commands.run(["ip", "netns", "pids", self.host.name]).split():
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "dockerd":
                    return int(pid)
        raise commands.LabError("cannot find dockerd among the host's processes: bring the lab down and up again")
