"""Free ports for a name server: 53 where the address has it, another one where it has not."""

import ipaddress
import pathlib
import socket

from launcher import model

DNS = 53

_OTHERS = range(1053, 1153)
_IP_FREEBIND = 15  # include/uapi/linux/in.h; Python has no name for it


def free(address: ipaddress.IPv4Address) -> int:
    """Return the first port that no process has on the address, which need not be there yet."""
    return _first_free(address, (DNS, *_OTHERS))


def another(address: ipaddress.IPv4Address) -> int:
    """Return such a port that is not 53: somebody else will want that."""
    return _first_free(address, tuple(_OTHERS))


def beside_other_servers(address: ipaddress.IPv4Address) -> int:
    """Return a port for an address that is still to come, which a server of the host may claim when it comes.

    A server that has port 53 on loopback and on another address takes each address that comes. BIND even
    shares a port with another BIND without a word (SO_REUSEPORT), and every other question would be lost.
    """
    holders = _holders(DNS)
    everywhere = any(a.is_loopback for a in holders) and any(not a.is_loopback for a in holders)
    return _first_free(address, tuple(_OTHERS) if everywhere else (DNS, *_OTHERS))


def _first_free(address: ipaddress.IPv4Address, ports: tuple[int, ...]) -> int:
    for port in ports:
        if _is_free(address, port):
            return port
    raise model.Cannot(
        f"cannot find a free port for DNS on {address}",
        hint=f"end a process that has one of {_OTHERS[0]} to {_OTHERS[-1]}",
    )


def _is_free(address: ipaddress.IPv4Address, port: int) -> bool:
    try:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
                if kind == socket.SOCK_STREAM:  # else the last connections of an ended server are in the way
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((str(address), port))
    except OSError:
        return False
    return True


def _holders(port: int) -> tuple[ipaddress.IPv4Address, ...]:
    """Return the addresses on which a process of the host has the UDP port (proc_pid_net(5))."""
    rows = pathlib.Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]
    ends = [row.split()[1].split(":") for row in rows]
    return tuple(
        ipaddress.IPv4Address(bytes.fromhex(address)[::-1]) for address, number in ends if int(number, 16) == port
    )
