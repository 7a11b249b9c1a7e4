"""The files of machines, as the engine hands them out and takes them: tar archives, of stopped machines too."""

import base64
import contextlib
import dataclasses
import io
import json
import tarfile
from collections.abc import Iterable, Iterator

import requests

from launcher import api, model

_LINK = 1 << 27  # of the engine's modes, which are those of Go's os.FileMode
_DIRECTORY = 1 << 31
_NOTHING = (requests.codes.not_found, requests.codes.bad_request)
_NO_FOLDER = requests.codes.internal_server_error  # what engines from 28 on say of a file that is asked for as one
_MOST = 1024 * 1024  # octets that a file which is read as a whole may have


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stat:
    """What a path in a machine is; `link` is where a symbolic link leads, as it stands there."""

    name: str
    directory: bool
    link: str
    size: int


class Files:
    """The verbs; `container` is the engine's id of one. Several threads may use them at once."""

    def __init__(self, client: api.Client) -> None:
        self._client = client

    def stat(self, container: str, path: str) -> Stat | None:
        """Look at a path, and not where it leads if it is a link; None where nothing is."""
        with api.refusing(f"look at {path}"):
            answer = self._client.head(self._url(container), params={"path": path}, timeout=30)
            if answer.status_code in _NOTHING or (path.endswith("/.") and answer.status_code == _NO_FOLDER):
                return None
            answer.raise_for_status()
            found = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
        return Stat(
            name=found["name"],
            directory=bool(found["mode"] & _DIRECTORY),
            link=found["linkTarget"] if found["mode"] & _LINK else "",
            size=found["size"],
        )

    def is_folder(self, container: str, path: str) -> bool:
        """Tell whether a path is a folder, or leads to one."""
        return self.stat(container, f"{path.rstrip('/')}/.") is not None

    def memory(self, container: str) -> tuple[str, ...]:
        """Name the folders that a machine has in memory, where the engine sees nothing of it."""
        with api.refusing("look at the machine's folders"):
            return tuple(self._client.inspect_container(container)["HostConfig"]["Tmpfs"] or ())

    def fetch(self, container: str, path: str) -> Iterator[bytes]:
        """Give the archive of a path, piece by piece; its names begin with the path's last one."""
        with api.refusing(f"read {path}"):
            pieces, _ = self._client.get_archive(container, path, chunk_size=256 * 1024)
            with contextlib.closing(pieces):
                yield from pieces

    def store(self, container: str, path: str, archive: Iterable[bytes]) -> None:
        """Unpack an archive in the folder `path`; owners and modes are those that it names."""
        with api.refusing(f"write in {path}"):
            self._client.put_archive(container, path, iter(archive))

    def read(self, container: str, path: str) -> str:
        """Give the text of a file, nothing where there is none or something else."""
        with contextlib.suppress(api.Missing):
            whole = b"".join(self._small(container, path))
            with contextlib.suppress(tarfile.TarError), tarfile.open(fileobj=io.BytesIO(whole)) as tar:
                first = tar.next()
                content = tar.extractfile(first) if first is not None and first.isfile() else None
                return content.read().decode("utf-8", "replace") if content else ""
        return ""

    def _small(self, container: str, path: str) -> Iterator[bytes]:
        size = 0
        for piece in self.fetch(container, path):
            size += len(piece)
            if size > _MOST:
                raise model.Cannot(f"cannot read {path} of the machine: it is larger than {_MOST} octets")
            yield piece

    def _url(self, container: str) -> str:
        return f"{self._client.base_url}/v{self._client.api_version}/containers/{container}/archive"
