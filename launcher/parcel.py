"""One machine as one file: a tar archive of its file system, after a first member that says what it is.

That one is of no use to others and in nobody's way: tar and docker import read the file as well.
"""

import dataclasses
import itertools
import json
import os
import pathlib
import tarfile
import typing
from collections.abc import Callable, Iterable, Iterator

from launcher import model

_FIRST = "fullhost.json"
_BLOCK = 512
_MOST = 65536  # octets that the first member may have
_PIECE = 1 << 20
_FORMAT = 1


class Source(typing.Protocol):
    """What is read, from its beginning to its end."""

    def read(self, size: int, /) -> bytes: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What is to be known of a machine besides its files; memory in octets."""

    name: str
    image: str
    init: str
    memory: int
    cpus: float


def first(manifest: Manifest) -> bytes:
    """Give what an archive begins with."""
    body = json.dumps({"format": _FORMAT, **dataclasses.asdict(manifest)}, indent=2).encode() + b"\n"
    member = tarfile.TarInfo(_FIRST)
    member.size = len(body)
    return member.tobuf(tarfile.GNU_FORMAT) + body.ljust(-(-len(body) // _BLOCK) * _BLOCK, b"\0")


def opened(source: Source) -> Manifest:
    """Read what an archive begins with, and leave the source where the file system begins."""
    try:
        member = tarfile.TarInfo.frombuf(source.read(_BLOCK), "utf-8", "strict")
        ours = member.name == _FIRST and 0 < member.size <= _MOST
        found = json.loads(source.read(-(-member.size // _BLOCK) * _BLOCK)[: member.size]) if ours else {}
        manifest = Manifest(**{field.name: found[field.name] for field in dataclasses.fields(Manifest)})
        ours = found["format"] == _FORMAT
    except (tarfile.TarError, ValueError, KeyError, TypeError, OSError) as error:
        raise _strange() from error
    if not ours:
        raise _strange()
    _check(manifest)
    return manifest


def _strange() -> model.Cannot:
    return model.Cannot(
        "cannot import it: that is no file that fhv export wrote, or one of a later fhv",
        hint="fhv export NAME FILE writes one; of any other archive: docker import FILE IMAGE",
    )


def _check(manifest: Manifest) -> None:
    """Refuse what is of another type than is written."""
    numbers = all(isinstance(n, int | float) and 0 <= n < 2**62 for n in (manifest.memory, manifest.cpus))
    if not numbers or not all(isinstance(text, str) for text in (manifest.name, manifest.image, manifest.init)):
        raise model.Cannot("cannot import it: what it says of the machine is not understood", hint="export it again")


def pieces(source: Source, progress: Callable[[int], None]) -> Iterator[bytes]:
    """Give the rest of a source, and tell how many octets it was so far."""
    total = 0
    while piece := source.read(_PIECE):
        total += len(piece)
        progress(total)
        yield piece


def write(path: pathlib.Path, parts: Iterable[bytes], *, force: bool) -> None:
    """Write a file that is there whole or not at all; what is no file, as /dev/null, is not made one."""
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise model.Cannot(f"cannot write {path}: it is no file", hint="name a file; - is standard output")
    if path.exists() and not force:
        raise model.Cannot(f"cannot write {path}: it is there already", hint="name another one, or say --force")
    part = path.with_name(f"{path.name}.part")
    try:
        try:
            with open(part, "wb", opener=_for_the_owner) as out:  # as docker export: it holds keys and /etc/shadow
                out.writelines(parts)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise model.Cannot(f"cannot write {path}: {error.strerror or error}") from error


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def packed(manifest: Manifest, tree: Iterable[bytes], progress: Callable[[int], None]) -> Iterator[bytes]:
    """Give the whole archive, and tell how many octets it was so far."""
    total = 0
    for piece in itertools.chain([first(manifest)], tree):
        total += len(piece)
        progress(total)
        yield piece
