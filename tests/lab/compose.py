"""Docker Compose as Debian packages it: version 1 in bookworm, versions 2 later, beside the engines' trees."""

import dataclasses
import pathlib
import shutil

from tests.lab import commands, place, trees

# Debian's first one that takes driver_opts for a network of a service (Compose 2.27.1 on) is that of forky.
OPTIONS = "28.5"
_SCRIPT = """\
layer=$1 tree=$2 root=$3 run=$4 project=$5
shift 5
mount -t overlay overlay -o "ro,lowerdir=$layer:$tree" "$root"
mount --bind "$run" "$root/run"
mount --bind "$project" "$root/mnt"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" "$@"
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Compose:
    """The compose that comes with the engine `version`, on the engine of the lab at `where`."""

    where: place.Place
    version: str

    @property
    def separator(self) -> str:
        """What stands between project, service and number in a container's name."""
        return "_" if self.version == "20.10" else "-"

    def run(self, text: str, *words: str, project: str = "lab") -> str:
        """Run it with `text` as its file; it sees the engine's socket, and nothing that it writes remains."""
        folder, root = self.where.root / "project", self.where.root / "compose"
        folder.mkdir(exist_ok=True)
        root.mkdir(exist_ok=True)
        (folder / "compose.yaml").write_text(text)
        tree = trees.ENGINES[self.version]
        parts = [_ensure(tree), trees.ensure(tree), root, self.where.run, folder]
        program = ["docker-compose"] if self.version == "20.10" else ["docker", "compose"]
        command = [*program, "--project-name", project, "--file", "/mnt/compose.yaml", *words]
        apart = ["unshare", "--mount", "sh", "-euc", _SCRIPT, "sh", *map(str, parts)]
        return commands.run([*apart, *command], environment={"DOCKER_HOST": "unix:///run/docker.sock"})


def _ensure(tree: trees.Tree) -> pathlib.Path:
    """Return the layer over `tree` that has docker-compose, made now if there is none; the tree stays as it is."""
    folder = place.cache() / f"compose-{tree.suite}"
    with place.locked(folder.name):
        if not folder.exists():
            _make(trees.ensure(tree), folder)
    return folder


def _make(tree: pathlib.Path, folder: pathlib.Path) -> None:
    """Fetch the packages that the tree has not, by its own sources, and unpack them."""
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
    fetch = ["install", "--yes", "--download-only", "--no-install-recommends", "docker-compose"]
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
    script = f'{mount}; chroot "$3/root" python3 -m compileall -q /usr/lib/python3 /usr/lib/python3.11 >&2 || true'
    commands.run(["unshare", "--mount", "sh", "-euc", script, "sh", *map(str, (tree, part, work))], timeout=600)
