"""Files of this host into tar archives and out of them, piece by piece: none is ever in memory as a whole."""

import contextlib
import dataclasses
import io
import os
import pathlib
import shutil
import stat
import tarfile
import tempfile
import time
import typing
from collections.abc import Iterable, Iterator

from launcher import model

_PIECE = 256 * 1024
_BLOCK = 512  # of a tar archive
_END = bytes(2 * _BLOCK)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Who has what is packed, and its mode; None leaves each as it is on this host."""

    uid: int | None = 0
    gid: int | None = 0
    mode: int | None = None

    def given(self, entry: tarfile.TarInfo) -> tarfile.TarInfo:
        """Put it into an entry; names of users are this host's, so they are left out."""
        entry.uid = entry.uid if self.uid is None else self.uid
        entry.gid = entry.gid if self.gid is None else self.gid
        entry.mode = self.mode if self.mode is not None and entry.isreg() else entry.mode
        entry.uname = entry.gname = ""
        return entry


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What is packed from `path` as `name`, with the folders `above` it, which are made; "." is what is in it."""

    path: str
    name: str
    above: tuple[str, ...] = ()


def pack(sources: Iterable[Source], shape: Shape, *, follow: bool) -> Iterator[bytes]:
    """Give the archive of files and folders; `follow` packs what a link named by a person leads to."""
    with tarfile.open(fileobj=io.BytesIO(), mode="w") as form:  # keeps what it knows of hard links
        for source in sources:
            yield from _folders(source.above, shape)
            top = os.path.realpath(source.path) if follow else source.path
            for path, name in _walk(top, source.name):
                yield from _entry(form, path, name, shape)
    yield _END


def pack_stream(content: typing.BinaryIO, source: Source, shape: Shape) -> Iterator[bytes]:
    """Give the archive of one file whose size is not known yet, so that it is put on the disk first."""
    with tempfile.TemporaryFile() as kept:
        shutil.copyfileobj(content, kept, _PIECE)
        entry = tarfile.TarInfo(source.name)
        entry.size, entry.mode, entry.mtime = kept.tell(), 0o644, int(time.time())
        kept.seek(0)
        yield from _folders(source.above, shape)
        yield from _written(shape.given(entry), kept)
    yield _END


def _walk(top: str, name: str) -> Iterator[tuple[str, str]]:
    name = os.path.normpath(name)
    if name != ".":
        yield top, name
    if not stat.S_ISDIR(os.lstat(top).st_mode):
        return
    for folder, folders, files in os.walk(top):
        inside = os.path.relpath(folder, top)
        for entry in sorted([*folders, *files]):
            yield f"{folder}/{entry}", os.path.normpath(f"{name}/{inside}/{entry}")


def _folders(names: Iterable[str], shape: Shape) -> Iterator[bytes]:
    for name in names:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, int(time.time())
        yield from _written(shape.given(entry), None)


def _entry(form: tarfile.TarFile, path: str, name: str, shape: Shape) -> Iterator[bytes]:
    if stat.S_ISSOCK(os.lstat(path).st_mode):  # nothing that could be copied
        return
    entry = form.gettarinfo(path, name)
    with pathlib.Path(path).open("rb") if entry.isreg() else contextlib.nullcontext() as content:
        yield from _written(shape.given(entry), content)


def _written(entry: tarfile.TarInfo, content: typing.BinaryIO | None) -> Iterator[bytes]:
    """Give an entry as it stands in an archive; a file that shrinks meanwhile is filled up to the size told."""
    yield entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    left = entry.size if content is not None else 0
    while content is not None and left > 0:
        piece = content.read(min(_PIECE, left)) or bytes(min(_PIECE, left))
        left -= len(piece)
        yield piece
    if content is not None and entry.size % _BLOCK:
        yield bytes(_BLOCK - entry.size % _BLOCK)


class _Pieces(io.RawIOBase):
    """An archive that comes in pieces, as tarfile reads it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (piece := next(self._pieces, b"")):
            self._left += piece
        given, self._left = self._left[:size], self._left[size:]
        return given


def unpack(pieces: Iterator[bytes], target: pathlib.Path, *, owners: bool) -> tuple[str, ...]:
    """Unpack an archive, whose first entry becomes `target`; name what was left out: devices, pipes.

    It comes from a machine that may be hostile: nothing is written outside of `target`, and through no link.
    """
    left_out: list[str] = []
    folders: list[tuple[pathlib.Path, tarfile.TarInfo]] = []
    with tarfile.open(fileobj=_Pieces(pieces), mode="r|") as archive:
        top = ""
        for entry in archive:
            top = top or entry.name
            path = _inside(entry.name, top, target)
            if entry.isdir():
                if not path.is_dir() or path.is_symlink():
                    path.mkdir(mode=0o700)
                folders.append((path, entry))
            elif not _unpack(archive, entry, path, top=top, target=target):
                left_out.append(entry.name)
                continue
            else:
                _finish(path, entry, owners=owners)
        for path, entry in reversed(folders):  # a folder that may not be written is closed after it is filled
            _finish(path, entry, owners=owners)
    return tuple(left_out)


def _inside(name: str, top: str, target: pathlib.Path) -> pathlib.Path:
    """Say where an entry goes, if it may."""
    inside = pathlib.PurePosixPath(os.path.relpath(f"/{name}", f"/{top}"))
    path = target / inside
    above = [folder for folder in path.parents if folder.is_relative_to(target)]
    if ".." in inside.parts or any(folder.is_symlink() for folder in above):
        raise model.Cannot(f"cannot unpack {name}: it would be written outside of {target}")
    return path


def _unpack(
    archive: tarfile.TarFile, entry: tarfile.TarInfo, path: pathlib.Path, *, top: str, target: pathlib.Path
) -> bool:
    """Write one entry that is no folder; a file takes its place only when it is whole."""
    part = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    with contextlib.ExitStack() as undo:
        undo.callback(part.unlink, missing_ok=True)
        if entry.issym():
            part.symlink_to(entry.linkname)
        elif entry.islnk():
            part.hardlink_to(_inside(entry.linkname, top, target))
        elif (content := archive.extractfile(entry)) is not None and entry.isreg():
            with part.open("xb") as file:
                shutil.copyfileobj(content, file, _PIECE)
        else:
            return False
        part.replace(path)
        undo.pop_all()
    return True


def _finish(path: pathlib.Path, entry: tarfile.TarInfo, *, owners: bool) -> None:
    """Give a file its owner, mode and time; the right to become its owner goes with the owner alone."""
    if owners:
        os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
    if not entry.issym():
        path.chmod(entry.mode if owners else entry.mode & 0o777)
        os.utime(path, (entry.mtime, entry.mtime))


def content(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Give what is in the one file of an archive."""
    with tarfile.open(fileobj=_Pieces(pieces), mode="r|") as archive:
        entry = archive.next()
        file = archive.extractfile(entry) if entry is not None else None
        while file is not None and (piece := file.read(_PIECE)):
            yield piece
