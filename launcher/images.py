"""Making the images of machines: by a recipe, or without a registry from a distribution's own packages.

A recipe is a folder of plugin-config/images with a Dockerfile; `setup` makes a machine of any tree.
"""

import io
import pathlib
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence

from launcher import model

PACKAGES = ("systemd-sysv", "dbus", "openssh-server", "iproute2", "iputils-ping")

_ORIGINS = {"debian": "Debian", "ubuntu": "Ubuntu"}  # as the Release files of their archives have it
_COMPONENTS = {"debian": "main", "ubuntu": "main,universe"}
_SUITE = re.compile(r"[a-z][a-z0-9-]*")
_REFERENCE = re.compile(r"[a-z0-9][a-z0-9._/:-]*")
_PATHS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
)
_LEFT_OUT = ("/etc/resolv.conf", "/etc/hostname", "/etc/hosts", "/etc/dpkg/dpkg.cfg.d/99mmdebstrap")


class Commands(typing.Protocol):
    """Runs one command to its end; `CalledProcessError` when that was not well."""

    def lines(self, command: Sequence[str]) -> Iterator[str]:
        """Yield what the command says, line by line, while it runs."""


class Shell:
    """The commands of this machine, without a shell."""

    def lines(self, command: Sequence[str]) -> Iterator[str]:
        """Yield what the command says on both of its outputs."""
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout or ():
                yield line.rstrip("\n")
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, list(command))


def bootstrap(
    *,
    distribution: str,
    suite: str,
    tag: str,
    report: Callable[[str], None],
    commands: Commands | None = None,
    recipes: pathlib.Path | None = None,
) -> None:
    """Make the image `tag` from the packages of a suite, and tell `report` of each step.

    The tree is packed first and imported when it is whole: an image is there as it should be, or not at all.
    """
    _check(distribution, suite, tag)
    runner = commands or Shell()
    with tempfile.TemporaryDirectory(prefix="fullhost-image-", dir="/var/tmp") as directory:
        archive = pathlib.Path(directory) / "machine.tar"
        report(f"packages of {distribution} {suite}")
        sources = _own_sources(runner, distribution, suite) or [f"--components={_COMPONENTS[distribution]}"]
        _run(runner, _build(suite, archive, (recipes or folder()) / "setup", sources), report)
        report(f"import as {tag}")
        changes = ['CMD ["/sbin/init"]', "ENV container=docker", f"LABEL {model.INIT_LABEL}=systemd"]
        _run(runner, ["docker", "import", *(word for c in changes for word in ("-c", c)), str(archive), tag], report)


def _check(distribution: str, suite: str, tag: str) -> None:
    if distribution not in _ORIGINS:
        raise model.Cannot(f"cannot make an image of {distribution!r}", hint=f"known are {', '.join(_ORIGINS)}")
    if not _SUITE.fullmatch(suite):
        raise model.Cannot(f"cannot use the suite {suite!r}", hint="give its code name, as bookworm or noble")
    check_tag(tag)


def folder() -> pathlib.Path:
    """Return the folder of the recipes: the checkout's own, else the installed one."""
    checkout = pathlib.Path(__file__).resolve().parents[1] / "plugin-config"
    root = checkout if checkout.is_dir() else pathlib.Path(sys.prefix) / "plugin-config"
    return root / "images"


def recipes(root: pathlib.Path) -> tuple[str, ...]:
    """Return the names of the recipes in a folder."""
    return tuple(sorted(path.parent.name for path in root.glob("*/Dockerfile")))


def context(name: str, *, root: pathlib.Path) -> bytes:
    """Pack what the engine builds a recipe from: its folder, and the common `setup`."""
    known = recipes(root)
    if name not in known:
        raise model.Cannot(f"cannot build {name!r}: there is no such recipe", hint=f"known are {', '.join(known)}")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(root / name, ".")
        tar.add(root / "setup", "setup")
    return packed.getvalue()


def arguments(words: Sequence[str]) -> Mapping[str, str]:
    """Read KEY=VALUE words, as `docker build --build-arg` has them."""
    pairs = [word.partition("=") for word in words]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise model.Cannot(f"cannot use the build argument {key!r}: it has no value", hint="write KEY=VALUE")
    return {key: value for key, _, value in pairs}


def check_tag(tag: str) -> None:
    """Refuse what the engine would not take for the name of an image."""
    if not _REFERENCE.fullmatch(tag):
        raise model.Cannot(f"cannot call an image {tag!r}", hint="give one like fullhost/debian:bookworm")


def _build(suite: str, archive: pathlib.Path, setup: pathlib.Path, sources: Sequence[str]) -> list[str]:
    return [
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt={rule}" for rule in _PATHS),
        f'--customize-hook=chroot "$1" /bin/sh -s <{shlex.quote(str(setup))}',
        # The engine binds its own over these three; mmdebstrap's rules for dpkg are not the machine's.
        "--customize-hook=" + " ".join(["rm -f", *(f'"$1"{path}' for path in _LEFT_OUT)]),
        suite,
        str(archive),
        *sources,
    ]


def _own_sources(runner: Commands, distribution: str, suite: str) -> list[str]:
    """Return the machine's own sources of the suite, mirrors and all; none leaves mmdebstrap its defaults."""
    fields = "$(ORIGIN)|$(CODENAME)|deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"]
    try:
        rows = [line.split("|", 2) for line in runner.lines(command)]
    except (OSError, subprocess.CalledProcessError):
        return []
    ours = (
        row[2]
        for row in rows
        if len(row) == 3 and row[0] == _ORIGINS[distribution] and row[1].partition("-")[0] == suite
    )
    return list(dict.fromkeys(ours))


def _run(runner: Commands, command: Sequence[str], report: Callable[[str], None]) -> None:
    """Run one step; what it says is reported, and its last words are in the error."""
    said: list[str] = []
    try:
        for line in runner.lines(command):
            said = [*said[-4:], line]
            if line.startswith("I: "):
                report(line.removeprefix("I: "))
    except FileNotFoundError as error:
        raise model.Cannot(
            f"cannot make the image: {command[0]} is not installed", hint=f"apt install {command[0]}"
        ) from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise model.Cannot(
            f"cannot make the image: {command[0]} failed: {' / '.join(said) or error}",
            hint="see that the package mirror and the engine can be reached, and try again",
        ) from error
