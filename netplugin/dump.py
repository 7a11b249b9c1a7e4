"""All links of a kind, as the kernel tells them (rtnetlink(7)): what the driver asks of a thousand of them.

The netlink library decodes every attribute of every link, which takes a second of a thousand; this takes 20 ms.
"""

import contextlib
import dataclasses
import socket
import struct
from collections.abc import Iterator

from netplugin import messages, model

SECONDS = 2.0  # the kernel answers at once, or something is very wrong
NEW_LINK, _GET_LINK = 16, 18  # RTM_NEWLINK, RTM_GETLINK (linux/rtnetlink.h)
IFNAME, LINKINFO = 3, 18  # IFLA_… (linux/if_link.h)
_MASTER, _EXT_MASK, _LINK_NETNSID = 10, 29, 37
_KIND, SLAVE_DATA, SLAVE_KIND = 1, 5, 4  # IFLA_INFO_…
GROUP_FORWARD_MASK, ISOLATED = 31, 33  # IFLA_BRPORT_…
_SKIP_STATISTICS = 0x8  # RTEXT_FILTER_SKIP_STATS
_IFF_UP = 1  # linux/if.h
LINK, SHORT = struct.Struct("=BxHiII"), struct.Struct("=H")
_NUMBER = struct.Struct("=I")
_ATTEMPTS = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A link; `master` is the index of the bridge that it is a port of, `elsewhere` a peer in another namespace.

    A port has flags: `isolated`, and the `groups` of link-local addresses that are forwarded as any other.
    """

    index: int
    name: str
    up: bool
    master: int | None
    elsewhere: bool
    isolated: bool = False
    groups: int = 0


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
            for number, flags, _, payload in messages.split(memoryview(netlink.recv(messages.BUFFER))):
                if flags & messages.INTERRUPTED:
                    raise InterruptedError
                if number == messages.DONE:
                    return
                if number == messages.ERROR and (error := messages.refusal(payload)) is not None:
                    raise error
                if number == NEW_LINK:
                    yield read(payload)


def _request(kind: str) -> bytes:
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
    port = _port(found[LINKINFO]) if master and LINKINFO in found else {}
    return Link(
        index=index,
        name=bytes(found[IFNAME]).rstrip(b"\0").decode(),
        up=bool(flags & _IFF_UP),
        master=_NUMBER.unpack(master)[0] if master else None,
        elsewhere=_LINK_NETNSID in found,
        isolated=bool(port.get(ISOLATED, b"\0")[0]),
        groups=SHORT.unpack(port.get(GROUP_FORWARD_MASK, b"\0\0"))[0],
    )


def _port(information: memoryview) -> dict[int, memoryview]:
    """Return what the bridge says of its port."""
    return dict(messages.attributes(dict(messages.attributes(information)).get(SLAVE_DATA, memoryview(b""))))
