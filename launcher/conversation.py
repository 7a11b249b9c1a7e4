"""A command in a machine, and this terminal at its other end."""

import contextlib
import os
import select
import shutil
import signal
import socket
import termios
import tty
import types
import typing
from collections.abc import Iterator

_STDIN = 0


class Executions(typing.Protocol):
    """What of the engine a running command needs."""

    def resize(self, execution: str, *, rows: int, columns: int) -> None: ...
    def exit_code(self, execution: str) -> int: ...


class Conversation:
    """A command in a machine, with its input and output."""

    def __init__(self, engine: Executions, execution: str, stream: socket.socket, *, tty: bool) -> None:
        self._engine, self._execution, self._stream, self._tty = engine, execution, stream, tty

    def fileno(self) -> int:
        """Give the descriptor that becomes readable when there is output."""
        return self._stream.fileno()

    def receive(self) -> tuple[int, bytes]:
        """Give a piece of output and the stream it is of, 1 or 2; no octets when it has ended.

        Without a terminal the engine sends frames: one octet of stream, three of zero, four of length, the data.
        """
        if self._tty:
            return 1, self._stream.recv(65536)
        head = self._stream.recv(8, socket.MSG_WAITALL)
        if len(head) < 8:
            return 1, b""
        return head[0], self._stream.recv(int.from_bytes(head[4:], "big"), socket.MSG_WAITALL)

    def send(self, typed: bytes) -> None:
        """Hand input to the command; none at all ends it."""
        if typed:
            self._stream.sendall(typed)
        else:
            self._stream.shutdown(socket.SHUT_WR)

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal inside how large the one outside is."""
        self._engine.resize(self._execution, rows=rows, columns=columns)

    def exit_code(self) -> int:
        """Give the command's exit code, after its output has ended."""
        return self._engine.exit_code(self._execution)

    def close(self) -> None:
        """Let go of it; a command that still runs goes on alone."""
        self._stream.close()


def hold(talk: Conversation, *, live: bool) -> int:
    """Join standard input and both outputs to the command; give its exit code. `live` says that they are a terminal."""
    with _keys_as_they_are(talk) if live else contextlib.nullcontext():
        _pass_on(talk)
    return talk.exit_code()


def _pass_on(talk: Conversation) -> None:
    sources = [talk.fileno(), _STDIN]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if talk.fileno() in ready:
            stream, octets = talk.receive()
            if not octets:
                return
            while octets:
                octets = octets[os.write(stream, octets) :]
        if _STDIN in ready:
            typed = os.read(_STDIN, 65536)
            with contextlib.suppress(OSError):  # the command has ended; its output tells
                talk.send(typed)
            if not typed:
                sources.remove(_STDIN)


@contextlib.contextmanager
def _keys_as_they_are(talk: Conversation) -> Iterator[None]:
    """Hand every key to the terminal inside, control-C too, and changes of size, until the end of the block."""

    def resize(_signal: int = 0, _frame: types.FrameType | None = None) -> None:
        columns, rows = shutil.get_terminal_size()
        talk.resize(rows, columns)

    before = termios.tcgetattr(_STDIN)
    handler = signal.signal(signal.SIGWINCH, resize)
    try:
        tty.setraw(_STDIN)
        resize()
        yield
    finally:
        signal.signal(signal.SIGWINCH, handler)
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)
