"""A bare machine, thrown away after use: a fresh Debian tree as the root of namespaces and control groups of its own.

It has its own mounts, processes, host name and network, the latter of a user-mode stack (slirp4netns), so that what
`install.sh` does to it never reaches the machine that runs the tests. Only the kernel is shared.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path("/var/cache/fullhost-lab")
CGROUPS = pathlib.Path("/sys/fs/cgroup")
TRUST = ("/etc/pip.conf", "/usr/local/share/ca-certificates", "/etc/ssl/certs")  # how this host reaches registries
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_BOOT = pathlib.Path(__file__).with_name("bare.sh")
_NAMESPACES = ("--mount", "--propagation=private", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """How a command on the machine ended; `output` is both of its outputs."""

    status: int
    output: str


class Bare:
    """The machine in the tree at `root`; `with` it, it runs. Its process 1 is systemd or one that does nothing."""

    def __init__(self, root: pathlib.Path, archives: pathlib.Path, *, systemd: bool) -> None:
        self.root = root
        self._archives = archives
        self._systemd = systemd
        self._power = contextlib.ExitStack()
        self._init = 0

    def __enter__(self) -> "Bare":
        """Switch it on."""
        group = self.root.parent.name
        kind = "systemd" if self._systemd else "none"
        command = ["unshare", *_NAMESPACES, "bash", str(_BOOT), str(self.root), str(CHECKOUT), str(self._archives)]
        self._power.callback(_remove_cgroups, group)
        outer = subprocess.Popen([*command, group, kind])
        self._power.callback(outer.wait)
        self._power.callback(outer.kill)
        self._init = _wait("the machine to boot", lambda: _first_process(outer))
        slirp = ["slirp4netns", "--configure", "--mtu=1500", "--disable-host-loopback", str(self._init), "tap0"]
        network = subprocess.Popen(slirp, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._power.callback(network.wait)
        self._power.callback(network.terminate)
        _wait("its network", lambda: "tap0" in self.links())
        return self

    def __exit__(self, *_exc: object) -> None:
        """Switch it off, as a pulled plug does: whatever was in its kernel is gone."""
        self._power.close()

    def reboot(self) -> None:
        """Pull the plug, and switch it on again."""
        self.__exit__()
        self.__enter__()

    def run(self, *command: str, environment: Mapping[str, str] | None = None, seconds: float = 300) -> Done:
        """Run a command on the machine, as root, with a clean environment."""
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
        done = subprocess.run(
            ["nsenter", f"--target={self._init}", *spaces, *command],
            env={**_environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Done(status=done.returncode, output=done.stdout)

    def said(self, *command: str) -> str:
        """Return what a command says that must be well."""
        done = self.run(*command)
        assert done.status == 0, f"{command}: {done.output}"
        return done.output.strip()

    def install(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
        """Run install.sh of the checkout."""
        return self.run("/srv/fullhost/install.sh", *arguments, environment=environment, seconds=1200)

    def processes(self) -> list[str]:
        """Return the command lines of all processes of the machine but process 1."""
        own = pathlib.Path(f"/proc/{self._init}/ns/pid").readlink()
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "ns/pid").readlink() == own and int(process.name) != self._init:
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode() or "(zombie)")
        return sorted(found)

    def links(self) -> set[str]:
        """Return the names of the network interfaces."""
        return {path.rsplit("/", 1)[-1] for path in self.said("sh", "-c", "echo /sys/class/net/*").split()}

    def rules(self) -> str:
        """Return the packet filter's rules, as the host's own nft sees them: the machine may have none any more."""
        enter = ["nsenter", f"--target={self._init}", "--net", "nft", "list", "ruleset"]
        return subprocess.run(enter, capture_output=True, text=True, check=True).stdout.strip()

    def files(self) -> dict[str, str]:
        """Return every path of the machine's own tree, with what betrays a change: kind, mode, size, time, target."""
        form = r"%p\t%y %m\n", r"%p\t%y %m %s %T@ %l\n"  # a directory's size and time tell only of what is in it
        find = ["find", "/", "-xdev", "-path", "/srv/fullhost/*", "-prune", "-o"]
        listed = self.said(*find, "-type", "d", "-printf", form[0], "-o", "-printf", form[1])
        return dict(line.split("\t", 1) for line in listed.splitlines())


@contextlib.contextmanager
def machine(suite: str, *, systemd: bool = False) -> Iterator[Bare]:
    """Switch a machine on that has nothing but a bare tree of the suite; throw it away afterwards."""
    archives = CACHE / f"archives-{suite}"
    archives.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="fullhost-bare-", dir=CACHE))
    try:
        root = work / "root"
        subprocess.run(["cp", "-a", str(_tree(suite, systemd=systemd)), str(root)], check=True)
        _trust(root)
        with Bare(root, archives, systemd=systemd) as bare:
            yield bare
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _tree(suite: str, *, systemd: bool) -> pathlib.Path:
    """Return the bare tree of the suite, made on first use."""
    tree = CACHE / f"bare-{suite}{'-systemd' if systemd else ''}"
    if not tree.exists():
        part = tree.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        packages = ["--include=systemd-sysv,dbus"] if systemd else []
        made = ["debootstrap", "--variant=minbase", *packages, suite, str(part)]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
        part.rename(tree)
    return tree


def _trust(root: pathlib.Path) -> None:
    """Give the machine what its registries need here: it is the network's business, not the program's."""
    for path in map(pathlib.Path, TRUST):
        target = root / path.relative_to("/")
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True)
        elif path.exists():
            shutil.copy(path, target)
    (root / "etc/resolv.conf").write_text("nameserver 10.0.2.3\n", encoding="ascii")
    (root / "etc/hosts").write_text("127.0.0.1 localhost bare\n", encoding="ascii")
    (root / "etc/hostname").write_text("bare\n", encoding="ascii")


def _environment() -> dict[str, str]:
    kept = {key: text for key, text in os.environ.items() if key.startswith(("PIP_", "SSL_CERT")) or "proxy" in key}
    kept.pop("PIP_FIND_LINKS", None)
    return {"HOME": "/root", "PATH": PATH, **kept}


def _first_process(outer: subprocess.Popen[bytes]) -> int:
    """Return the machine's process 1, as soon as it has its own root; else 0."""
    assert outer.poll() is None, "the machine did not boot"
    children = pathlib.Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text(encoding="ascii").split()
    ready = children and pathlib.Path(f"/proc/{children[0]}/root/run/bare-is-up").exists()
    return int(children[0]) if ready else 0


def _wait(what: str, probe: Callable[[], int]) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(0.05)
    raise AssertionError(f"cannot wait any longer for {what}")


def _remove_cgroups(group: str) -> None:
    """Remove the machine's control groups, whatever its end left in them; the kernel takes a moment to empty them."""
    for top in CGROUPS.glob(f"*/{group}"):
        for directory in [*sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True), top]:
            for _ in range(20):
                with contextlib.suppress(OSError):
                    directory.rmdir()
                    break
                time.sleep(0.05)
