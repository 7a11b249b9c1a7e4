"""The one way in which the lab runs programs, the one error it raises, and waiting."""

import os
import subprocess
import time
import typing
from collections.abc import Callable, Mapping, Sequence


class LabError(Exception):
    """Something of the lab cannot be done: a sentence that ends with what to do about it."""


def run(
    command: Sequence[str],
    *,
    stdin: typing.IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> str:
    """Run `command` to its end and return its standard output; a status other than 0 is a LabError.

    The error carries what the program printed, both streams, since that is what its reader needs. `timeout` is
    in seconds.
    """
    try:
        done = subprocess.run(
            command,
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, **(environment or {})},
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise LabError(f"cannot run {command[0]}: there is no such program; install it") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"cannot wait longer than {timeout:g} s for: {' '.join(command)}") from None
    output, errors = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if done.returncode:
        said = f"{output}{errors}".strip()
        raise LabError(f"cannot do: {' '.join(command)} (status {done.returncode}):\n{said}")
    return output


def works(command: Sequence[str], *, timeout: float = 120) -> bool:
    """Return whether `command` ends with status 0."""
    try:
        run(command, timeout=timeout)
    except LabError:
        return False
    return True


def wait(what: str, done: Callable[[], bool], *, seconds: float = 30, hint: Callable[[], str] = str) -> None:
    """Ask `done` until it says yes; after `seconds` raise a LabError that names `what` and ends with `hint()`."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise LabError(f"cannot wait longer than {seconds:g} s for {what}\n{hint()}".strip())
        time.sleep(0.02)
