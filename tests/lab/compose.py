"""Docker Compose as Debian packages it: version 1 in bookworm, versions 2 later, beside the engines' trees."""

import dataclasses

from tests.lab import commands, layers, place, trees

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
        parts = [layers.ensure(tree, "compose", "docker-compose"), trees.ensure(tree), root, self.where.run, folder]
        program = ["docker-compose"] if self.version == "20.10" else ["docker", "compose"]
        command = [*program, "--project-name", project, "--file", "/mnt/compose.yaml", *words]
        apart = ["unshare", "--mount", "sh", "-euc", _SCRIPT, "sh", *map(str, parts)]
        return commands.run([*apart, *command], environment={"DOCKER_HOST": "unix:///run/docker.sock"})
