"""Commands of the host, run without a shell and to the end of their time at most: nft and iptables."""

import contextlib
import os
import signal
import subprocess

from netplugin import deadline, model

SECONDS = 2  # iptables waits for its lock at most as long (`-w`), and one command lasts a second longer


def attempt(command: list[str]) -> str | None:
    """Return what the command printed, None where it says no; one that hangs or is not installed says nothing."""
    done = _finish(command)
    return None if done.returncode else done.stdout


def run(command: list[str], *, text: str | None = None) -> str:
    """Return what the command printed; one that fails is an error."""
    done = _finish(command, text=text)
    if done.returncode:
        raise _failed(command, done.stderr.strip() or f"exit status {done.returncode}")
    return done.stdout


def _finish(command: list[str], *, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command without a shell, in a process group of its own, to its end or to that of its time."""
    seconds = deadline.left(f"run {' '.join(command)}", at_most=SECONDS + 1)
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, process_group=0)
    except FileNotFoundError:
        raise _failed(command, "it is not installed") from None
    try:
        output, errors = process.communicate(text, timeout=seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        raise _failed(command, f"it did not end within {seconds:.1f} s") from None
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill a command with its children, which may hold its pipes; one that the kernel does not let die is left."""
    os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=0.2)


def _failed(command: list[str], why: str) -> model.Cannot:
    return model.Cannot(
        f"run {' '.join(command)}",
        why=why,
        hint=f"install {command[0]}, or try the command by hand",
        reason=model.Reason.UNAVAILABLE,
    )
