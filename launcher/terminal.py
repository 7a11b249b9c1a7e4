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
        self, container: str, command: tuple[str, ...], *, tty: bool = False, term: str = ""
    ) -> conversation.Conversation:
        """Begin a command in a machine, on a terminal of the kind `term` if `tty`."""
        with api.refusing(f"run {command[0]}"):
            made = self._client.exec_create(
                container, list(command), tty=tty, stdin=True, environment={"TERM": term} if term else {}
            )
            raw = typing.cast("socket.SocketIO", self._client.exec_start(made["Id"], tty=tty, socket=True))
            # The response is closed first: one that is collected later complains of a closed stream (Python 3.13).
            with contextlib.closing(raw), contextlib.closing(vars(raw)["_response"]):
                stream = socket.socket(fileno=os.dup(raw.fileno()))  # that one ends with the response
        stream.settimeout(None)  # the SDK's own descriptor has a deadline
        return conversation.Conversation(self, made["Id"], stream, tty=tty)

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
                yield from self._client.logs(container, stream=True, follow=True, tail=tail)
            else:  # in one piece: of a terminal the SDK streams octet by octet
                yield self._client.logs(container, tail=tail)
