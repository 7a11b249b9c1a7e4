"""All links of a kind, or all addresses of one, as the kernel tells them (rtnetlink(7)): what the keeper looks at.

The netlink library decodes every attribute of every link, which takes a second of a thousand; this takes 20 ms.
"""

import contextlib
import dataclasses
import functools
import ipaddress
import socket
import struct
import typing
from collections.abc import Callable, Iterator

from netplugin import messages, model

SECONDS = 2.0  # the kernel answers at once, or something is very wrong
NEW_LINK, _GET_LINK, _NEW_ADDRESS, _GET_ADDRESS = 16, 18, 20, 22  # RTM_… (linux/rtnetlink.h)
_LOCAL, _ADDRESS = 2, 1  # IFA_… (linux/if_addr.h)
IFNAME, LINKINFO = 3, 18  # IFLA_… (linux/if_link.h)
_MASTER, _EXT_MASK, _LINK_NETNSID = 10, 29, 37
_KIND, SLAVE_DATA, SLAVE_KIND = 1, 5, 4  # IFLA_INFO_…
GROUP_FORWARD_MASK, ISOLATED = 31, 33  # IFLA_BRPORT_…
_SKIP_STATISTICS = 0x8  # RTEXT_FILTER_SKIP_STATS
_IFF_UP, _IFF_LOWER_UP = 1, 1 << 16  # linux/if.h
LINK, SHORT = struct.Struct("=BxHiII"), struct.Struct("=H")
_NUMBER, _BORNE = struct.Struct("=I"), struct.Struct("=BxxxI")  # the latter: struct ifaddrmsg, its family and index
_ATTEMPTS = 20
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
T = typing.TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A link; `master` is the index of the bridge that it is a port of, `elsewhere` a peer in another namespace.

    Its `kind` is one such as veth, and empty of a physical one. A veth has `carrier` where both its ends are up.
    A port has flags: `isolated`, and the `groups` of link-local addresses that are forwarded as any other.
    """

    index: int
    name: str
    up: bool
    master: int | None
    elsewhere: bool
    isolated: bool = False
    groups: int = 0
    kind: str = ""
    carrier: bool = True


def links(*, kind: str) -> list[Link]:
    """Return the links of a kind, such as veth, of the network namespace."""
    return _all(_links(kind), told=NEW_LINK, read=read, what=f"list the links of kind {kind}")


def addresses(index: int) -> frozenset[Address]:
    """Return the addresses that a link bears, of either version; one that is gone bears none."""
    request = messages.message(_GET_ADDRESS, messages.REQUEST | messages.DUMP, _BORNE.pack(socket.AF_UNSPEC, index))
    read = functools.partial(_borne, index)
    borne = _all(request, told=_NEW_ADDRESS, read=read, what="list the addresses of an interface")
    return frozenset(filter(None, borne))


def _all(request: bytes, *, told: int, read: Callable[[memoryview], T], what: str) -> list[T]:
    """Return what is read of a dump; one that is torn, since something came or went, is asked for again."""
    try:
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(InterruptedError):
                return [read(payload) for number, payload in _dump(request) if number == told]
        why = f"links come and go too quickly: {_ATTEMPTS} lists in turn were torn"
    except OSError as error:
        why = f"the kernel says {error}"
    raise model.Cannot(what, why=why, hint="try again; see dmesg if it stays so", reason=model.Reason.UNAVAILABLE)


def _dump(request: bytes) -> Iterator[tuple[int, memoryview]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(SECONDS)
        netlink.send(request)
        while True:
            for number, flags, _, payload in messages.split(memoryview(netlink.recv(messages.BUFFER))):
                if flags & messages.INTERRUPTED:
                    raise InterruptedError
                if number == messages.DONE:
                    return
                if number == messages.ERROR and (error := messages.refusal(payload)) is not None:
                    raise error
                yield number, payload


def _links(kind: str) -> bytes:
    """Return the request for a dump that the kernel itself filters by the kind (rtnl_dump_ifinfo)."""
    wanted = messages.attribute(LINKINFO, messages.text(_KIND, kind))
    payload = LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + wanted
    payload += messages.attribute(_EXT_MASK, _NUMBER.pack(_SKIP_STATISTICS))
    return messages.message(_GET_LINK, messages.REQUEST | messages.DUMP, payload)


def read(payload: memoryview) -> Link:
    """Return the link of a message."""
    _, _, index, flags, _ = LINK.unpack_from(payload)
    found = dict(messages.attributes(payload, LINK.size))
    master = found.get(_MASTER)
    information = dict(messages.attributes(found[LINKINFO])) if LINKINFO in found else {}
    port = dict(messages.attributes(information[SLAVE_DATA])) if master and SLAVE_DATA in information else {}
    return Link(
        index=index,
        name=_text(found[IFNAME]),
        up=bool(flags & _IFF_UP),
        master=_NUMBER.unpack(master)[0] if master else None,
        elsewhere=_LINK_NETNSID in found,
        isolated=bool(port.get(ISOLATED, b"\0")[0]),
        groups=SHORT.unpack(port.get(GROUP_FORWARD_MASK, b"\0\0"))[0],
        kind=_text(information.get(_KIND, b"")),
        carrier=bool(flags & _IFF_LOWER_UP),
    )


def _text(value: memoryview | bytes) -> str:
    return bytes(value).rstrip(b"\0").decode()


def _borne(index: int, payload: memoryview) -> Address | None:
    """Return the address of a link; None of another's, whatever that is, and of what is neither IPv4 nor IPv6.

    IFA_ADDRESS may be the peer's, and is missing where that is 0.0.0.0; of IPv6 there mostly is no other.
    """
    family, of = _BORNE.unpack_from(payload)
    if of != index or family not in {socket.AF_INET, socket.AF_INET6}:
        return None
    found = dict(messages.attributes(payload, _BORNE.size))
    return ipaddress.ip_address(bytes(found[_LOCAL] if _LOCAL in found else found[_ADDRESS]))
