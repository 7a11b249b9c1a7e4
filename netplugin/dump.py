"""All links of a kind, as the kernel tells them (rtnetlink(7)): what the driver asks of a thousand of them.

The netlink library decodes every attribute of every link, which takes a second of a thousand; this takes 20 ms.
"""

import contextlib
import dataclasses
import errno
import os
import socket
import struct
from collections.abc import Iterator

from netplugin import model

SECONDS = 2.0  # the kernel answers at once, or something is very wrong
_RTM_NEWLINK, _RTM_GETLINK, _NLMSG_ERROR, _NLMSG_DONE = 16, 18, 2, 3  # linux/rtnetlink.h, linux/netlink.h
_REQUEST_DUMP = 0x1 | 0x300  # NLM_F_REQUEST | NLM_F_DUMP
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR: links came or went meanwhile, and one may be missing
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_EXT_MASK, _IFLA_LINK_NETNSID = 3, 10, 18, 29, 37  # linux/if_link.h
_IFLA_INFO_KIND = 1
_SKIP_STATISTICS = 0x8  # RTEXT_FILTER_SKIP_STATS
_IFF_UP = 1  # linux/if.h
_HEADER, _LINK, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BxHiII"), struct.Struct("=HH")
_NUMBER = struct.Struct("=I")
_BUFFER = 1 << 18  # octets; the kernel fills up to 32 KiB at a time
_ATTEMPTS = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A link; `master` is the index of the bridge that it is a port of, `elsewhere` a peer in another namespace."""

    index: int
    name: str
    up: bool
    master: int | None
    elsewhere: bool


def links(*, kind: str) -> list[Link]:
    """Return the links of a kind, such as veth, of the network namespace; a list that is torn is asked for again."""
    try:
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(InterruptedError):
                return list(_dump(kind))
        why = f"links come and go too quickly: {_ATTEMPTS} lists in turn were torn"
    except OSError as error:
        why = f"the kernel says {error}"
    raise model.Cannot(
        f"list the links of kind {kind}",
        why=why,
        hint="try again; see dmesg if it stays so",
        reason=model.Reason.UNAVAILABLE,
    )


def _dump(kind: str) -> Iterator[Link]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(SECONDS)
        netlink.send(_request(kind))
        while True:
            for number, flags, payload in _messages(memoryview(netlink.recv(_BUFFER))):
                if flags & _INTERRUPTED:
                    raise InterruptedError
                if number == _NLMSG_DONE:
                    return
                if number == _NLMSG_ERROR:
                    code = -struct.unpack_from("=i", payload)[0]
                    raise OSError(code, f"{errno.errorcode.get(code, code)}: {os.strerror(code)}")
                if number == _RTM_NEWLINK:
                    yield _link(payload)


def _request(kind: str) -> bytes:
    """Return the request for a dump that the kernel itself filters by the kind (rtnl_dump_ifinfo)."""
    wanted = _attribute(_IFLA_LINKINFO, _attribute(_IFLA_INFO_KIND, kind.encode() + b"\0"))
    payload = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + wanted
    payload += _attribute(_IFLA_EXT_MASK, _NUMBER.pack(_SKIP_STATISTICS))
    return _HEADER.pack(_HEADER.size + len(payload), _RTM_GETLINK, _REQUEST_DUMP, 1, 0) + payload


def _attribute(number: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, number) + value + bytes(-length % 4)


def _messages(datagram: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield each message of a datagram: its number, its flags, its payload."""
    while datagram:
        length, number, flags, _, _ = _HEADER.unpack_from(datagram)
        yield number, flags, datagram[_HEADER.size : length]
        datagram = datagram[length + -length % 4 :]


def _link(payload: memoryview) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(payload)
    found, offset, end = dict[int, memoryview](), _LINK.size, len(payload)
    while offset < end:
        length, number = _ATTRIBUTE.unpack_from(payload, offset)
        found[number] = payload[offset + _ATTRIBUTE.size : offset + length]
        offset += length + -length % 4
    master = found.get(_IFLA_MASTER)
    return Link(
        index=index,
        name=bytes(found[_IFLA_IFNAME]).rstrip(b"\0").decode(),
        up=bool(flags & _IFF_UP),
        master=_NUMBER.unpack(master)[0] if master else None,
        elsewhere=_IFLA_LINK_NETNSID in found,
    )
