"""What is said with a machine: commands that run in it, and its console."""

import contextlib
import os
import select
import socket
import threading
import time
import typing
from collections.abc import Iterator

from launcher import api, conversation, model


class Terminal:
    """The verbs; `container` is the engine's id of one. Several threads may use them at once."""

    def __init__(self, client: api.Client) -> None:
        self._client = client

    def converse(
        self, container: str, command: tuple[str, ...], *, tty: bool = False, term: str = "", user: str = ""
    ) -> conversation.Conversation:
        """Begin a command in a machine as `user`, root by default, on a terminal of the kind `term` if `tty`."""
        environment = {"TERM": term} if term else {}
        with api.refusing(f"run {command[0]}"):
            made = self._client.exec_create(
                container, list(command), tty=tty, stdin=True, user=user, environment=environment
            )
            stream = _taken_over(self._client.exec_start(made["Id"], tty=tty, socket=True))
        return conversation.Conversation(self, made["Id"], stream, tty=tty)

    def attach(self, container: str) -> conversation.Conversation:
        """Sit down at the console of a machine, which is the terminal of its init."""
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with api.refusing("attach to the console"):
            stream = _taken_over(self._client.attach_socket(container, wanted))
        return conversation.Conversation(_Console(self._client), container, stream, tty=True)

    def resize(self, execution: str, *, rows: int, columns: int) -> None:
        """Tell the terminal of a command how large the one outside is."""
        with api.refusing("resize the terminal"):
            self._client.exec_resize(execution, height=rows, width=columns)

    def exit_code(self, execution: str) -> int:
        """Give the exit code of a command that has ended."""
        with api.refusing("read the exit code"):
            return int(self._client.exec_inspect(execution)["ExitCode"] or 0)

    def run(
        self, container: str, command: tuple[str, ...], *, seconds: float, interrupted: threading.Event
    ) -> model.Answer:
        """Run a command in a machine and give what it said: nothing, where it takes longer or is interrupted."""
        said, until = bytearray(), time.monotonic() + seconds
        with contextlib.closing(self.converse(container, command)) as talk:
            while time.monotonic() < until and not interrupted.is_set():
                if not select.select([talk], [], [], 0.5)[0]:
                    continue
                _, piece = talk.receive()
                if not piece:
                    return model.Answer(exit_code=talk.exit_code(), output=said.decode("utf-8", "replace"))
                said += piece
        return model.Answer(exit_code=-1, output="")

    def console(self, container: str, *, lines: int | None = None, follow: bool = False) -> Iterator[bytes]:
        """Give the last `lines` of the console log, all of it by default, and what comes after them if `follow`."""
        with api.refusing("read the console log"):
            tail: typing.Literal["all"] | int = "all" if lines is None else lines
            if follow:
                yield from self._following(container, tail)
            else:
                yield self._client.logs(container, tail=tail)

    def _following(self, container: str, tail: str | int) -> Iterator[bytes]:
        """Give the log as it arrives: of a terminal the SDK streams it octet by octet."""
        url = f"{self._client.base_url}/v{self._client.api_version}/containers/{container}/logs"
        wanted: dict[str, str | int] = {"stdout": 1, "stderr": 1, "follow": 1, "tail": tail}
        with contextlib.closing(self._client.get(url, params=wanted, stream=True, timeout=(30, None))) as answer:
            answer.raise_for_status()
            yield from answer.iter_content(65536)


class _Console:
    """The console as a conversation has it: it belongs to the machine's init."""

    def __init__(self, client: api.Client) -> None:
        self._client = client

    def resize(self, execution: str, *, rows: int, columns: int) -> None:
        with api.refusing("resize the console"):
            self._client.resize(execution, height=rows, width=columns)

    def exit_code(self, execution: str) -> int:
        with api.refusing("read the exit code"):
            return int(self._client.inspect_container(execution)["State"]["ExitCode"])


def _taken_over(response: object) -> socket.socket:
    """Give the connection of a call that became a stream, without the SDK's response around it."""
    raw = typing.cast("socket.SocketIO", response)
    # The response is closed first: one that is collected later complains of a closed stream (Python 3.13).
    with contextlib.closing(raw), contextlib.closing(vars(raw)["_response"]):
        stream = socket.socket(fileno=os.dup(raw.fileno()))  # that one ends with the response
    stream.settimeout(None)  # the SDK's own descriptor has a deadline
    return stream
