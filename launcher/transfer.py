"""Files pushed into machines and pulled out of them, running or not."""

import dataclasses
import pathlib
import posixpath
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence

from launcher import files, model, packing

_LINKS = 16  # that are followed one after the other, at most


class Files(typing.Protocol):
    """What of the files of machines is needed."""

    def stat(self, container: str, path: str) -> files.Stat | None: ...
    def is_folder(self, container: str, path: str) -> bool: ...
    def memory(self, container: str) -> tuple[str, ...]: ...
    def fetch(self, container: str, path: str) -> Iterator[bytes]: ...
    def store(self, container: str, path: str, archive: Iterable[bytes]) -> None: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A path in a machine, from its root; a slash at its end says that it is a folder."""

    name: str
    path: str

    def __str__(self) -> str:
        return f"{self.name}:{self.path}"


def place(text: str) -> Place:
    """Read NAME:PATH; as with docker cp, a path without / in front of it is one from the root."""
    name, colon, path = text.partition(":")
    if not colon or not name or "/" in name:
        raise model.Cannot(f"cannot take {text} for a place in a machine", hint="write NAME:PATH, as web:/etc/hosts")
    end = "/" if path.endswith(("/", "/.")) else ""
    return Place(name=name, path=posixpath.normpath(f"/{path}").replace("//", "/").rstrip("/") + end or "/")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """The use cases; `moved` hears of each piece that goes by, `recursive` takes folders, `owners` keeps them."""

    remote: Files
    moved: Callable[[int], None]
    recursive: bool
    owners: bool

    def push(
        self, sources: Sequence[str], machine: model.Machine, path: str, shape: packing.Shape, *, make: bool
    ) -> None:
        """Copy files and folders of this host into a machine; everything is looked at before anything is copied."""
        for source in sources:
            self._pushable(source)
        self._reachable(machine, path, "push to")
        folder, above, name = self._target(machine, path, several=len(sources) > 1, make=make)
        packed = [
            packing.Source(path=source, name=posixpath.join(*above[-1:], _as(source, name)), above=above)
            for source in sources
        ]
        self._store(machine, folder, packing.pack(packed, shape, follow=not self.owners))

    def push_stream(
        self, content: typing.BinaryIO, machine: model.Machine, path: str, shape: packing.Shape, *, make: bool
    ) -> None:
        """Copy what comes from a stream: one file, or with `recursive` an archive that is unpacked in a folder."""
        self._reachable(machine, path, "push to")
        if self.recursive:
            self._store(machine, path, iter(lambda: content.read(65536), b""))
            return
        folder, above, name = self._target(machine, path, several=False, make=make)
        if name is None:
            raise model.Cannot(
                f"cannot push to {machine.name}:{path}: it is a folder, and what comes has no name",
                hint=f"fhv push - {machine.name}:{path.rstrip('/')}/NAME, or -r for a tar archive",
            )
        source = packing.Source(path="-", name=posixpath.join(*above[-1:], name), above=above)
        self._store(machine, folder, packing.pack_stream(content, source, shape))

    def pull(self, machine: model.Machine, path: str, target: pathlib.Path) -> tuple[str, ...]:
        """Copy a file or a folder of a machine to this host; name what was left out."""
        name = posixpath.basename(path.rstrip("/")) or machine.name
        path, found = self._found(machine, path)
        if target.is_dir():
            target = target / name
        if not target.parent.is_dir():
            raise model.Cannot(f"cannot pull to {target}: there is no folder {target.parent}", hint="mkdir it")
        if target.exists() and not (target.is_file() or target.is_dir()):
            raise model.Cannot(f"cannot pull to {target}: it is no file", hint="name a file; - is standard output")
        if target.is_dir() and not found.directory:
            raise model.Cannot(f"cannot pull {machine.name}:{path} to {target}: that is a folder")
        try:
            return packing.unpack(self._fetch(machine, path), target, owners=self.owners)
        except OSError as error:
            hint = "keep no owners (-r instead of -a), or use sudo" if self.owners else ""
            raise model.Cannot(f"cannot write {error.filename or target}: {error.strerror}", hint=hint) from error

    def pull_stream(self, machine: model.Machine, path: str) -> Iterator[bytes]:
        """Give the content of a file, or with `recursive` the archive of whatever it is."""
        path, _ = self._found(machine, path)
        pieces = self._fetch(machine, path)
        return pieces if self.recursive else packing.content(pieces)

    def _pushable(self, source: str) -> None:
        path = pathlib.Path(source)
        if not path.exists() and not (self.owners and path.is_symlink()):
            raise model.Cannot(f"cannot push {source}: there is no such file")
        if path.is_dir() and not self.recursive:
            raise model.Cannot(f"cannot push {source}: it is a folder", hint=f"fhv push -r {source} NAME:PATH")

    def _target(
        self, machine: model.Machine, path: str, *, several: bool, make: bool
    ) -> tuple[str, tuple[str, ...], str | None]:
        """Say in which folder to unpack, which folders to make below it, and the new name; None keeps names."""
        path = self._followed(machine, path)
        if self.remote.is_folder(machine.container, path):
            return path, (), None
        into = several or path.endswith("/")
        folder, name = (path.rstrip("/"), None) if into else (posixpath.dirname(path), posixpath.basename(path))
        missing: list[str] = []
        there = folder or "/"
        while not self.remote.is_folder(machine.container, there):
            missing, there = [posixpath.basename(there), *missing], posixpath.dirname(there)
        if missing and not make:
            raise model.Cannot(
                f"cannot push to {machine.name}:{path}: there is no folder {folder} in it",
                hint="-p makes it, with those above it",
            )
        above = tuple(posixpath.join(*missing[: count + 1]) for count in range(len(missing)))
        return there, above, name

    def _followed(self, machine: model.Machine, path: str) -> str:
        """Go where links lead, which are the machine's: a relative one starts in its own folder."""
        for _ in range(_LINKS):
            found = self.remote.stat(machine.container, path.rstrip("/") or "/")
            if found is None or not found.link:
                return path
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path.rstrip("/")), found.link))
        raise model.Cannot(f"cannot follow {machine.name}:{path}: its links lead nowhere")

    def _found(self, machine: model.Machine, path: str) -> tuple[str, files.Stat]:
        self._reachable(machine, path, "pull")
        path = path if self.owners else self._followed(machine, path)
        found = self.remote.stat(machine.container, path)
        if found is None:
            raise model.Cannot(f"cannot pull {machine.name}:{path}: there is no such file")
        if found.directory and not self.recursive:
            raise model.Cannot(
                f"cannot pull {machine.name}:{path}: it is a folder", hint=f"fhv pull -r {machine.name}:{path} FILE"
            )
        return path, found

    def _reachable(self, machine: model.Machine, path: str, act: str) -> None:
        """Refuse what a running machine has in memory: the engine would show what lies below, and write there."""
        for folder in ("/proc", "/sys", "/dev", *self.remote.memory(machine.container)):
            if machine.state == model.State.RUNNING and f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/"):
                raise model.Cannot(
                    f"cannot {act} {machine.name}:{path}: the machine has {folder} in memory, where the engine sees "
                    "nothing of it",
                    hint=f"take /var/tmp, or fhv exec {machine.name} tar ..., which goes through the machine itself",
                )

    def _fetch(self, machine: model.Machine, path: str) -> Iterator[bytes]:
        for piece in self.remote.fetch(machine.container, path):
            self.moved(len(piece))
            yield piece

    def _store(self, machine: model.Machine, folder: str, archive: Iterable[bytes]) -> None:
        def counted() -> Iterator[bytes]:
            for piece in archive:
                self.moved(len(piece))
                yield piece

        try:
            self.remote.store(machine.container, folder, counted())
        except PermissionError as error:
            raise model.Cannot(f"cannot read {error.filename}: {error.strerror}", hint="use sudo") from error


def _as(source: str, name: str | None) -> str:
    """Name what is pushed: as it is called here, or anew; of FOLDER/. it is all that is in it."""
    if source.endswith("/.") or source == ".":
        return name or "."
    return name or pathlib.Path(source).resolve().name
