"""A wire by its octets: frames are sent by an interface, and those that come by one are told, in any namespace.

`python -m tests.lab.wire send INTERFACE` sends each line of its input, in hexadecimal digits; `python -m tests.lab.wire
listen INTERFACE` says "ready", and prints every frame that comes, until it is ended.
"""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from tests.lab import place

_EVERY = 3  # ETH_P_ALL
_GRANTED = 0.3  # seconds that the last frame has to arrive
_OUTGOING = 4  # PACKET_OUTGOING


def send(enter: Sequence[str], interface: str, frames: Iterable[bytes]) -> None:
    """Send frames by an interface of where `enter` leads."""
    text = "".join(f"{frame.hex()}\n" for frame in frames)
    subprocess.run(_command(enter, "send", interface), input=text, text=True, check=True, cwd=place.CHECKOUT)


@contextlib.contextmanager
def listening(enter: Sequence[str], interface: str) -> Iterator[list[bytes]]:
    """Give a list, which has at the end what came by the interface meanwhile."""
    found: list[bytes] = []
    command = _command(enter, "listen", interface)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=place.CHECKOUT) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        yield found
        time.sleep(_GRANTED)
        listener.terminate()
        found += (bytes.fromhex(line) for line in listener.stdout if line.endswith("\n"))


def _command(enter: Sequence[str], verb: str, interface: str) -> list[str]:
    return [*enter, sys.executable, "-m", "tests.lab.wire", verb, interface]


def _main(verb: str, interface: str) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY)) as wire:
        wire.bind((interface, _EVERY))
        if verb == "send":
            for line in sys.stdin:
                wire.send(bytes.fromhex(line))
            return
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        print("ready", flush=True)
        while True:
            octets, (_, _, kind, *_) = wire.recvfrom(2048)
            if kind != _OUTGOING:
                print(octets.hex(), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
