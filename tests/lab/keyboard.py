"""A person at a terminal: a real pseudo-terminal of a size, with a program that runs on it."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence

_SECONDS = 120


class Terminal:
    """The terminal, and the one program on it."""

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str] | None = None, *, columns: int = 80
    ) -> None:
        self.shown = b""
        child, self._keys = pty.fork()
        if not child:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the tests run in the background
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.execvpe(words[0], [*words], _environment(environment or {}))  # noqa: S606 - words of the test
        self._child = child

    def until(self, wanted: bytes) -> bytes:
        """Read what is shown, until `wanted` is, and give all of it since the last time."""
        seen, until = b"", time.monotonic() + _SECONDS
        while wanted not in seen:
            assert time.monotonic() < until, seen
            if select.select([self._keys], [], [], 1)[0]:
                seen += self._read()
        return seen

    def type(self, keys: bytes) -> None:
        """Type."""
        os.write(self._keys, keys)

    def ended(self, *, insisting: bytes = b"") -> int:
        """Read to the end, and give the exit code.

        `insisting` keys are typed now and again as long as nothing is shown: a control-C at the very moment in which
        Python goes to sleep in read(2) is heeded only when it wakes up.
        """
        until = time.monotonic() + _SECONDS
        with contextlib.suppress(OSError):  # a terminal whose last program has ended gives EIO
            while time.monotonic() < until:
                if select.select([self._keys], [], [], 1)[0]:
                    if not self._read():
                        break
                elif insisting:
                    self.type(insisting)
        os.close(self._keys)
        return os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])

    def _read(self) -> bytes:
        piece = os.read(self._keys, 65536)
        self.shown += piece
        return piece


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Give the environment without the size of another terminal, which programs believe more than their own's."""
    return {name: value for name, value in {**os.environ, **more}.items() if name not in {"COLUMNS", "LINES"}}
