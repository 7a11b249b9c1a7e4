"""Building the images of machines, without a registry: a distribution's own packages, packed and imported."""

import pathlib
import re
import subprocess
import sys
import tempfile
import typing
from collections.abc import Callable, Iterator, Sequence

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
    customize: pathlib.Path | None = None,
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
        _run(runner, _build(suite, archive, customize or _customize(), sources), report)
        report(f"import as {tag}")
        changes = ['CMD ["/sbin/init"]', "ENV container=docker", f"LABEL fullhost.suite={suite}"]
        _run(runner, ["docker", "import", *(word for c in changes for word in ("-c", c)), str(archive), tag], report)


def _check(distribution: str, suite: str, tag: str) -> None:
    if distribution not in _ORIGINS:
        raise model.Cannot(f"cannot make an image of {distribution!r}", hint=f"known are {', '.join(_ORIGINS)}")
    if not _SUITE.fullmatch(suite):
        raise model.Cannot(f"cannot use the suite {suite!r}", hint="give its code name, as bookworm or noble")
    if not _REFERENCE.fullmatch(tag):
        raise model.Cannot(f"cannot call an image {tag!r}", hint="give one like fullhost/debian:bookworm")


def _customize() -> pathlib.Path:
    """Return the program that makes a machine of a tree: the checkout's own, else the installed one."""
    checkout = pathlib.Path(__file__).resolve().parents[1] / "plugin-config"
    root = checkout if checkout.is_dir() else pathlib.Path(sys.prefix) / "plugin-config"
    return root / "image" / "customize"


def _build(suite: str, archive: pathlib.Path, customize: pathlib.Path, sources: Sequence[str]) -> list[str]:
    return [
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt={rule}" for rule in _PATHS),
        f'--customize-hook={customize} "$1"',
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
