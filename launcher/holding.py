"""What keeps several fhv of this host from one machine: the kernel's locks, which end with who has them (flock(2))."""

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import pathlib
from collections.abc import Iterator

from launcher import rivalry

FOLDER = pathlib.Path("/run/fullhost/fhv")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Holds:
    """Machines of one engine, held by files in a folder."""

    folder: pathlib.Path
    engine: str

    @contextlib.contextmanager
    def hold(self, name: str, *, alone: bool = False) -> Iterator[None]:
        """Hold a machine for a while; several may start or stop one, who exchanges it for another is `alone` with it.

        Who may not write into the folder holds nothing: only root speaks to the driver, unless a group was let in.
        """
        if (file := self._opened(name)) is None:
            yield
            return
        try:
            _lock(file, name, alone=alone)
            yield
        finally:
            os.close(file)

    def _opened(self, name: str) -> int | None:
        called = hashlib.sha256(f"{self.engine} {name}".encode()).hexdigest()[:32]
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.folder / called, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:
            return None


def _lock(file: int, name: str, *, alone: bool) -> None:
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        doing = "another fhv is at it" if alone else "another fhv is making it anew, or gives it another name"
        raise rivalry.Taken(f"cannot work on {name}: {doing}", hint="wait until that one is done") from None
