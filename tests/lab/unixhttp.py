"""HTTP over a Unix socket: enough to ask an engine whether it lives and a driver what it knows."""

import dataclasses
import http.client
import json
import pathlib
import socket


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status and the body."""

    status: int
    body: bytes

    def json(self) -> object:
        """Return the body as JSON."""
        decoded: object = json.loads(self.body)
        return decoded


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: pathlib.Path, timeout: float) -> None:
        super().__init__("lab", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: pathlib.Path, method: str, call: str, body: bytes = b"", *, timeout: float = 20) -> Answer:
    """Send one request to the socket at `path`; OSError if nobody answers within `timeout` seconds."""
    connection = _Connection(path, timeout)
    try:
        connection.request(method, call, body)
        response = connection.getresponse()
        return Answer(response.status, response.read())
    finally:
        connection.close()


def answers(path: pathlib.Path, call: str) -> bool:
    """Return whether a GET of `call` is answered with 200."""
    try:
        return ask(path, "GET", call, timeout=2).status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
