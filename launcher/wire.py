"""HTTP and JSON over the driver's Unix socket."""

import contextlib
import http.client
import json
import os
import pathlib
import socket

from launcher import model

SOCKET = pathlib.Path("/run/docker/plugins/fullhost.sock")

# The driver transfers a zone and looks up pointers within its own, shorter deadlines.
_SECONDS = 30.0
MOMENT = 5.0  # for what it knows without asking anybody


def found(path: pathlib.Path) -> pathlib.Path:
    """Give where the driver's socket is: at `path`, or where the engine keeps that of a managed plugin.

    That is a folder beside it, called as the plugin's id, into which only root may look (moby, plugin/).
    """
    with contextlib.suppress(OSError):
        if not path.exists():
            return next(iter(sorted(path.parent.glob(f"{'?' * 64}/{path.name}"))), path)
    return path


class _Connection(http.client.HTTPConnection):
    """HTTP to a path in the file system, as there is no host in it."""

    def __init__(self, path: pathlib.Path, *, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        # By its folder, since an address of a socket may have 107 octets (unix(7)), and a plugin's id has 64 of them.
        folder = os.open(self._path.parent, os.O_PATH)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


class Wire:
    """The way to the driver; each call is a connection of its own, so several threads may make them at once."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def ask(self, call: str, order: str | None = None, *, seconds: float = _SECONDS) -> bytes:
        """Make a call: a question, or with a body an order."""
        connection = _Connection(self._path, seconds=seconds)
        try:
            connection.request("GET" if order is None else "POST", call, order)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error, seconds=seconds) from error
        finally:
            connection.close()
        if answer.status == http.client.OK:
            return body
        try:
            sentence = str(json.loads(body)["message"])
        except (ValueError, KeyError, TypeError) as error:
            raise self.strange(body) from error
        raise refusal(sentence)

    def _unreachable(self, error: Exception, *, seconds: float) -> model.Cannot:
        match error:
            case FileNotFoundError() | ConnectionRefusedError():
                why, hint = "it is not running", "start it: systemctl start fullhost (without systemd: install.sh)"
            case PermissionError():
                why, hint = "permission denied", "use sudo"
            case TimeoutError():
                why, hint = f"it did not answer within {seconds:.0f} seconds", "its log tells what it waits for"
            case _:
                why, hint = str(error) or type(error).__name__, "its log tells why"
        return model.Cannot(f"cannot reach the network driver at {self._path}: {why}", hint=hint)

    def strange(self, body: bytes) -> model.Cannot:
        """Return the refusal of an answer that is not what the driver is known to say."""
        said = body[:80].decode("utf-8", "replace")
        return model.Cannot(
            f"cannot understand the network driver at {self._path}, which says {said!r}",
            hint="restart the driver, so that it is of the same version as fhv",
        )


def refusal(sentence: str) -> model.Cannot:
    """Return a refusal of the driver's, whose sentences end with what to do."""
    what, _, hint = sentence.rpartition("; ")
    return model.Cannot(what or hint, hint=hint if what else "")
