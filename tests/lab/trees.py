"""Debian trees, made once by debootstrap and kept: the root file systems of engines and machines."""

import dataclasses
import pathlib
import shutil

from tests.lab import commands, place

_SCRIPTS = pathlib.Path("/usr/share/debootstrap/scripts")
_ENGINE = ("docker.io", "iptables", "nftables", "ca-certificates")
_COMMON = ("dbus", "openssh-server", "iproute2", "iputils-ping")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A Debian suite with some packages; `engine` is how the version of its engine has to begin."""

    name: str
    suite: str
    packages: tuple[str, ...]
    engine: str = ""


# From trixie on the command line client is a package of its own.
ENGINES = {
    "20.10": Tree(name="engine-bookworm", suite="bookworm", packages=_ENGINE, engine="20.10."),
    "26.1": Tree(name="engine-trixie", suite="trixie", packages=(*_ENGINE, "docker-cli"), engine="26.1."),
    "28.5": Tree(name="engine-forky", suite="forky", packages=(*_ENGINE, "docker-cli"), engine="28.5."),
}
SYSTEMD = Tree(name="machine-bookworm", suite="bookworm", packages=("systemd-sysv", *_COMMON))
SYSVINIT = Tree(name="machine-sysvinit", suite="bookworm", packages=("sysvinit-core", *_COMMON))
_PLUGIN = ("python3", "iptables", "nftables", "udhcpc", "ca-certificates")
PLUGIN = Tree(name="plugin-dhcp-bookworm", suite="bookworm", packages=_PLUGIN)
# For the sake of their init alone.
SYSTEMD_TRIXIE = Tree(name="machine-trixie", suite="trixie", packages=("systemd-sysv", "dbus"))
SYSTEMD_FORKY = Tree(name="machine-forky", suite="forky", packages=("systemd-sysv", "dbus"))
OPENRC = Tree(name="machine-openrc", suite="bookworm", packages=("openrc",))
RUNIT = Tree(name="machine-runit", suite="bookworm", packages=("runit-init",))


def ensure(tree: Tree) -> pathlib.Path:
    """Return the folder of `tree`, made now if this machine has none yet; about a minute then."""
    folder = place.cache() / tree.name
    with place.locked(tree.name):
        if not folder.exists():
            _make(tree, folder)
    if tree.engine:
        _check(tree, folder)
    return folder


def _make(tree: Tree, folder: pathlib.Path) -> None:
    if shutil.which("debootstrap") is None:
        raise commands.LabError(f"cannot make {tree.name}: there is no debootstrap; install the package debootstrap")
    part, log = folder.with_name(f"{tree.name}.part"), folder.with_name(f"{tree.name}.log")
    shutil.rmtree(part, ignore_errors=True)
    script = tree.suite if (_SCRIPTS / tree.suite).exists() else "sid"  # a suite younger than this debootstrap
    options = ["--variant=minbase", f"--include={','.join(tree.packages)}"]
    command = ["debootstrap", *options, tree.suite, str(part), _mirror(), str(_SCRIPTS / script)]
    # In a mount namespace of its own: what a killed debootstrap has mounted goes with it.
    log.write_text(commands.run(["unshare", "--mount", *command], timeout=1200))
    shutil.rmtree(part / "var/cache/apt", ignore_errors=True)
    part.rename(folder)


def _mirror() -> str:
    """Return the mirror that this machine's own apt uses for Debian, or nothing: debootstrap's own choice."""
    form = "$(ORIGIN) $(CODENAME) $(SITE)"
    targets = commands.run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    for origin, codename, site in (line.split() for line in targets.splitlines() if line.count(" ") == 2):
        if origin == "Debian" and "-" not in codename:
            return site
    return ""


def _check(tree: Tree, folder: pathlib.Path) -> None:
    query = ["dpkg-query", f"--admindir={folder}/var/lib/dpkg", "-W", "-f", "${Version}", "docker.io"]
    version = commands.run(query)
    if not version.startswith(tree.engine):
        raise commands.LabError(
            f"cannot have an engine {tree.engine}x: Debian {tree.suite} has docker.io {version} now; "
            f"put an older tree at {folder}, or choose another --engine"
        )
