"""A command in a machine, and this terminal at its other end."""

import contextlib
import os
import re
import select
import signal
import socket
import termios
import tty
import types
import typing
from collections.abc import Iterator

from launcher import model

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

    def send(self, typed: bytes) -> bytes:
        """Hand input to the command, as much as it takes without waiting, and give the rest; none at all ends it."""
        if not typed:
            self._stream.shutdown(socket.SHUT_WR)
            return b""
        try:
            return typed[self._stream.send(typed, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            return typed

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal inside how large the one outside is: a courtesy, for the command may have ended."""
        with contextlib.suppress(model.Cannot):
            self._engine.resize(self._execution, rows=rows, columns=columns)

    def exit_code(self) -> int:
        """Give the command's exit code, after its output has ended."""
        return self._engine.exit_code(self._execution)

    def close(self) -> None:
        """Let go of it; a command that still runs goes on alone."""
        self._stream.close()


class Detaching:
    """Looks for the keys that let go of a terminal in what is typed; no keys at all never do."""

    def __init__(self, keys: bytes = b"") -> None:
        self._keys, self._held, self.done = keys, b"", False

    def sift(self, typed: bytes) -> bytes:
        """Give what is to be handed on; the keys' beginning is held back until it is known what it was."""
        passed = b""
        for octet in (typed[at : at + 1] for at in range(len(typed))):
            if not self._keys.startswith(self._held + octet):
                passed, self._held = passed + self._held, b""
            if self._keys.startswith(self._held + octet):
                self._held += octet
            else:
                passed += octet
            if self._keys and self._held == self._keys:
                self.done = True
                break
        return passed


_CONTROL = re.compile(r"ctrl-([a-z@\[\\\]^_])")


def detach_keys(text: str) -> bytes:
    r"""Read keys as Docker writes them: one character, or ctrl- and a letter or one of @[\]^_, between commas."""
    keys = b""
    for word in text.split(","):
        match = _CONTROL.fullmatch(word.lower())
        if match is None and (len(word) != 1 or not word.isascii()):
            raise model.Cannot(
                f"cannot detach with the keys {text!r}: {word!r} is no key",
                hint="write them as ctrl-p,ctrl-q or ctrl-x",
            )
        keys += bytes([ord(match[1].upper()) & 31]) if match else word.encode()
    return keys


def hold(talk: Conversation, *, live: bool, detach: bytes = b"") -> int | None:
    """Join standard input and both outputs to the command; `live` says that they are a terminal.

    Give the command's exit code, or None once the keys `detach` were typed: the command goes on then.
    """
    leaving = Detaching(detach)
    with _keys_as_they_are(talk) if live else contextlib.nullcontext():
        _pass_on(talk, leaving)
    return None if leaving.done else talk.exit_code()


def _pass_on(talk: Conversation, leaving: Detaching) -> None:
    """Never wait for the command to take its input: it may itself wait until somebody reads its output."""
    output = talk.fileno()
    inputs, typed = [_STDIN], b""
    while True:
        ready, takes, _ = select.select([output] if typed else [output, *inputs], [output] if typed else [], [])
        if output in ready:
            stream, octets = talk.receive()
            if not octets:
                return
            while octets:
                octets = octets[os.write(stream, octets) :]
        if _STDIN in ready:
            inputs, typed = _read_on(talk, leaving)
        elif takes:
            inputs, typed = _hand_on(talk, typed)
        if leaving.done:
            return


def _read_on(talk: Conversation, leaving: Detaching) -> tuple[list[int], bytes]:
    """Read what was typed, and hand it on where it is not held back."""
    read = os.read(_STDIN, 65536)
    passed = leaving.sift(read)
    return ([_STDIN], b"") if read and not passed else _hand_on(talk, passed)


def _hand_on(talk: Conversation, typed: bytes) -> tuple[list[int], bytes]:
    """Give what is to be read from now on, and what the command has not taken yet."""
    try:
        return [_STDIN] if typed else [], talk.send(typed)
    except OSError:  # it takes no more; its output tells when it has ended
        return [], b""


@contextlib.contextmanager
def _keys_as_they_are(talk: Conversation) -> Iterator[None]:
    """Hand every key to the terminal inside, control-C too, and changes of size, until the end of the block."""

    def resize(_signal: int = 0, _frame: types.FrameType | None = None) -> None:
        columns, rows = os.get_terminal_size(_STDIN)  # not what COLUMNS and LINES say
        talk.resize(rows, columns)

    before = termios.tcgetattr(_STDIN)
    handler = signal.signal(signal.SIGWINCH, resize)
    try:
        tty.setraw(_STDIN, termios.TCSADRAIN)  # what is typed already is kept
        resize()
        yield
    finally:
        signal.signal(signal.SIGWINCH, handler)
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)
