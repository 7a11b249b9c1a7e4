"""Ports of the host that are taken for machines: a socket holds each, so that nobody else on the host takes it too."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterable

from netplugin import exposure

HELD = 256  # sockets at most; a port beyond is looked at, and not held
_KINDS = {exposure.Transport.TCP: socket.SOCK_STREAM, exposure.Transport.UDP: socket.SOCK_DGRAM}

Key = tuple[exposure.Transport, str, int]


class Claims:
    """The sockets, bound and never read: Docker's own proxy holds its ports in the same way."""

    def __init__(self) -> None:
        self._lock, self._held = threading.Lock(), dict[Key, socket.socket]()

    def in_use(self, wanted: exposure.Exposure) -> str | None:
        """Take a port of the host; return why it cannot be had, None where it is ours now."""
        with self._lock:
            return self._take(wanted)

    def keep(self, wanted: Iterable[exposure.Exposure]) -> tuple[str, ...]:
        """Hold these and no others; return what cannot be held, and why."""
        with self._lock:
            wishes = {_key(wish): wish for wish in wanted}
            for key in self._held.keys() - wishes.keys():
                self._held.pop(key).close()
            found = ((wish, self._take(wish)) for wish in wishes.values())
            return tuple(f"{wish}: {why}" for wish, why in found if why)

    def _take(self, wanted: exposure.Exposure) -> str | None:
        """Bind the port; a listening or bound socket of another program stands in the way (inet_csk_get_port)."""
        key, kind = _key(wanted), _KINDS.get(wanted.transport)
        if key in self._held or kind is None:
            return None
        try:
            with contextlib.ExitStack() as undo:
                claimed = undo.enter_context(socket.socket(socket.AF_INET, kind))
                if kind is socket.SOCK_STREAM:  # else connections that are over are in the way for a minute
                    claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                claimed.bind((str(wanted.host or ""), wanted.host_port))
                # Who comes later is not to share it, as who reuses addresses may with one that does not listen.
                claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
                if len(self._held) < HELD:
                    undo.pop_all()
                    self._held[key] = claimed
        except OSError as error:
            return f"the host cannot give port {wanted.host_port}: {os.strerror(error.errno or 0)}"
        return None


def _key(wanted: exposure.Exposure) -> Key:
    return wanted.transport, str(wanted.host or ""), wanted.host_port
