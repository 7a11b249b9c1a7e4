"""The DHCP client: busybox's udhcpc, which asks once and ends, without a shell and to the end of its time at most.

It is not left running: a server answers who renews by the address that he has (RFC 2131, 4.1), and that is in the
machine's sandbox, where this driver has no business. So who renews asks as at the first time, for the same address.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

from netplugin import binding, model

_SCRIPT = pathlib.Path(__file__).with_name("leased.sh")
_SENT = 0.1  # seconds, in which the kernel learns the server's hardware address and sends what the client has left
_ROOM = 0.3  # seconds to start and to end, beyond those for which it waits for a server


def check() -> None:
    """Refuse to go on where there is no client."""
    if shutil.which(binding.PROGRAM) is None:
        raise _missing()
    if not os.access(_SCRIPT, os.X_OK):
        raise _failed(f"{_SCRIPT} cannot be executed", f"chmod 755 {_SCRIPT}, or install fullhost again")


def ask(interface: str, name: str, *, wish: binding.Address | None, seconds: float) -> binding.Lease | None:
    """Return what a server leases to the name, the wished address if it can be; None where none does in that time."""
    with _client(interface, name, wish, "-q", seconds=seconds) as process:
        lease = next(_leases(process), None)
        if lease is None and process.wait() > 0:
            _refuse_failure(process)
        return lease


def release(interface: str, name: str, address: binding.Address, *, seconds: float) -> bool:
    """Give an address back, which the interface has to have; False where no server leases it any more.

    The client gives back what it got a moment ago, and no other lease, so it asks for it once more.
    """
    with _client(interface, name, address, "-R", seconds=seconds) as process:
        lease = next(_leases(process), None)
    time.sleep(_SENT)
    return lease is not None and lease.address == address


@contextlib.contextmanager
def _client(
    interface: str, name: str, wish: binding.Address | None, mode: str, *, seconds: float
) -> Iterator["subprocess.Popen[str]"]:
    """Run the client for a while, and end it: with -q it ends by itself, with -R it gives back first.

    Answers are to be broadcast (-B): else dnsmasq notes the client's hardware address as that of the leased one
    (SIOCSARP), and cannot be heard by the machine until that has spoken.
    """
    tries = str(max(1, int(seconds)))
    command = [binding.PROGRAM, "-f", "-n", "-B", mode, "-t", tries, "-T", "1", "-i", interface, "-s", str(_SCRIPT)]
    command += ["-x", f"hostname:{name}", *(["-r", str(wish)] if wish else [])]
    with contextlib.ExitStack() as ends:
        process = _started(command)
        ends.enter_context(process)
        timer = threading.Timer(seconds + _ROOM, _kill, [process])
        timer.start()
        ends.callback(timer.cancel)
        ends.callback(process.wait)
        ends.callback(process.terminate)
        yield process


def _started(command: list[str]) -> "subprocess.Popen[str]":
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,
        )
    except FileNotFoundError:
        raise _missing() from None


def _refuse_failure(process: "subprocess.Popen[str]") -> None:
    """Refuse where the client could not even ask; that nobody answered is what it says as it ends."""
    said = "" if process.stderr is None else process.stderr.read()
    if "no lease" not in said:
        raise _failed(f"it says {said.strip()[-200:]!r}", "run it by hand (udhcpc -f -n -q -i INTERFACE -s /bin/true)")


def _kill(process: "subprocess.Popen[str]") -> None:
    """Kill the client with its script, which may hold its pipe."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _leases(process: "subprocess.Popen[str]") -> Iterator[binding.Lease]:
    for line in process.stdout or ():
        try:
            lease = binding.parse(line.rstrip("\n"))
        except ValueError as error:
            raise _failed(f"it was told what is no lease: {error}", "see what the server sends") from None
        if lease is not None:
            yield lease


def _missing() -> model.Cannot:
    return _failed("it is not installed", "apt install udhcpc, and try again")


def _failed(why: str, hint: str) -> model.Cannot:
    return model.Cannot(f"ask a DHCP server by {binding.PROGRAM}", why=why, hint=hint, reason=model.Reason.UNAVAILABLE)
