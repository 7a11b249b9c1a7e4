"""Packages beside an engine's tree, which stays as it is: unpacked once and kept, from the tree's own sources."""

import pathlib
import shutil

from tests.lab import commands, place, trees


def ensure(tree: trees.Tree, name: str, *packages: str) -> pathlib.Path:
    """Return the layer `name` over a tree: the packages, and what they need that the tree has not; made if missing."""
    folder = place.cache() / f"{name}-{tree.suite}"
    with place.locked(folder.name):
        if not folder.exists():
            _make(trees.ensure(tree), folder, packages)
    return folder


def _make(tree: pathlib.Path, folder: pathlib.Path, wanted: tuple[str, ...]) -> None:
    """Fetch the packages and unpack them; nothing of them is run."""
    part, apt = folder.with_name(f"{folder.name}.part"), folder.with_name(f"{folder.name}.apt")
    for each in (part, apt):
        shutil.rmtree(each, ignore_errors=True)
    for made in ("lists/partial", "cache/archives/partial"):
        (apt / made).mkdir(parents=True)
    told = {
        "APT::Sandbox::User": "root",
        "Dir::Cache": apt / "cache",
        "Dir::Etc::SourceList": tree / "etc/apt/sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::TrustedParts": tree / "etc/apt/trusted.gpg.d",
        "Dir::State": apt,
        "Dir::State::Status": tree / "var/lib/dpkg/status",
    }
    options = [f"--option={key}={value}" for key, value in told.items()]
    commands.run(["apt-get", *options, "update"], timeout=600)
    fetch = ["install", "--yes", "--download-only", "--no-install-recommends", *wanted]
    commands.run(["apt-get", *options, *fetch], timeout=600)
    # As in the tree: a folder of the layer would hide the link.
    for name in ("bin", "lib", "sbin"):
        (part / "usr" / name).mkdir(parents=True)
        (part / name).symlink_to(f"usr/{name}")
    unpack = 'for package; do dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink; done'
    packages = sorted(map(str, (apt / "cache/archives").glob("*.deb")))
    commands.run(["sh", "-euc", f'cd "$1"; shift; {unpack}', "sh", str(part), *packages], timeout=600)
    if list(part.glob("usr/bin/python3*")):
        _compile(tree, part, apt)
    shutil.rmtree(apt)
    part.rename(folder)


def _compile(tree: pathlib.Path, part: pathlib.Path, work: pathlib.Path) -> None:
    """Compile what is Python, which could not keep it otherwise: each run would take seconds more."""
    for name in ("root", "work"):
        (work / name).mkdir()
    mount = 'mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3/work" "$3/root"'
    script = f'{mount}; chroot "$3/root" python3 -m compileall -q /usr/lib/python3 /usr/lib/python3.* >&2 || true'
    commands.run(["unshare", "--mount", "sh", "-euc", script, "sh", *map(str, (tree, part, work))], timeout=600)
