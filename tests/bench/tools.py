"""Programs of Debian that a benchmark needs and the machine may not have: unpacked beside the lab's trees."""

import os
import pathlib
from collections.abc import Sequence

from tests.lab import commands, place

_PACKAGES = ("iperf3", "libiperf0", "libsctp1", "iputils-arping")


def ensure() -> pathlib.Path:
    """Return the folder of the tree that has them, made now if there is none; nothing is installed."""
    folder = place.cache() / "bench-tools"
    with place.locked("bench-tools"):
        if not folder.exists():
            part = folder.with_suffix(".part")
            part.mkdir(exist_ok=True)
            fetch = ["env", f"--chdir={part}", "apt-get", "download", "-q", *_PACKAGES]
            if not commands.works(fetch):
                commands.run(["apt-get", "update", "-q"], timeout=300)
                commands.run(fetch, timeout=300)
            for package in part.glob("*.deb"):
                commands.run(["dpkg-deb", "--extract", str(package), str(part)])
                package.unlink()
            part.rename(folder)
    return folder


def environment() -> dict[str, str]:
    """Return what finds the tree's programs and their libraries."""
    folder = ensure()
    libraries = sorted({str(library.parent) for library in folder.glob("usr/lib/**/*.so*")})
    return {
        "PATH": f"{os.environ['PATH']}:{folder / 'usr/bin'}",
        "LD_LIBRARY_PATH": ":".join(libraries),
    }


def within(namespace: str, words: Sequence[str]) -> list[str]:
    """Return the words that run a program of the tree in the network namespace at a path."""
    pairs = [f"{key}={value}" for key, value in environment().items()]
    return ["nsenter", f"--net={namespace}", "env", *pairs, *words]
