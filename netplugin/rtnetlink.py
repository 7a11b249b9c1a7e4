"""One link at a time, over rtnetlink(7): what each start and each stop asks of the kernel.

The netlink library opens three sockets and decodes every attribute of a link; this asks for what is wanted.
"""

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterator

from netplugin import dump, messages, model

_NEW, _DELETE, _GET = 16, 17, 18  # RTM_…LINK (linux/rtnetlink.h)
_EXCLUSIVE = 0x200  # NLM_F_EXCL (linux/netlink.h)
_ADDRESS, _MTU, _MASTER = 1, 4, 10  # IFLA_… (linux/if_link.h)
_KIND, _DATA, _PEER = 1, 2, 1  # IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER (linux/veth.h)
_UP = 1  # IFF_UP (linux/if.h)
_NEW_ADDRESS, _LOCAL = 20, 2  # RTM_NEWADDR, IFA_LOCAL (linux/if_addr.h); IFA_ADDRESS is 1 as IFLA_ADDRESS is
_NUMBER, _BORNE = struct.Struct("=I"), struct.Struct("=BBBBI")  # the latter is ifaddrmsg


def find(name: str) -> dump.Link | None:
    """Return the link of that name, None where there is none; OSError where the kernel does not say."""
    request = dump.LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + messages.text(dump.IFNAME, name)
    try:
        return next((dump.read(told) for number, told in _asked(_GET, 0, request) if number == _NEW), None)
    except OSError as error:
        if error.errno == errno.ENODEV:
            return None
        raise


def add_veth(veth: model.Veth, *, mtu: int, address: str, master: int) -> None:
    """Make a pair: the host end up, with a hardware address and as a port of the bridge `master`; the peer down.

    OSError where the kernel refuses; a bridge without a free port (EXFULL) does so when the pair is made already.
    """
    sized = messages.attribute(_MTU, _NUMBER.pack(mtu))
    peer = dump.LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + messages.text(dump.IFNAME, veth.peer) + sized
    pair = messages.nested(
        dump.LINKINFO,
        messages.text(_KIND, "veth"),
        messages.nested(_DATA, messages.attribute(_PEER, peer)),
    )
    host = (
        messages.text(dump.IFNAME, veth.host),
        sized,
        messages.attribute(_ADDRESS, bytes.fromhex(address.replace(":", ""))),
        messages.attribute(_MASTER, _NUMBER.pack(master)),
    )
    request = dump.LINK.pack(socket.AF_UNSPEC, 0, 0, _UP, _UP) + b"".join(host) + pair
    list(_asked(_NEW, messages.CREATE | _EXCLUSIVE, request))


def change(name: str, *attributes: bytes, up: bool = False) -> None:
    """Change a link, and set it up if asked to; OSError where the kernel refuses."""
    flags = _UP if up else 0
    request = dump.LINK.pack(socket.AF_UNSPEC, 0, 0, flags, flags) + messages.text(dump.IFNAME, name)
    list(_asked(_NEW, 0, request + b"".join(attributes)))


def bear(index: int, address: ipaddress.IPv4Address) -> None:
    """Give a link an address of IPv4 alone, without any prefix; OSError where the kernel refuses."""
    request = _BORNE.pack(socket.AF_INET, 32, 0, 0, index)
    request += messages.attribute(_LOCAL, address.packed) + messages.attribute(_ADDRESS, address.packed)
    list(_asked(_NEW_ADDRESS, messages.CREATE | _EXCLUSIVE, request))


def delete(name: str) -> None:
    """Delete a link; OSError where the kernel refuses, ENODEV where there is none."""
    request = dump.LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + messages.text(dump.IFNAME, name)
    list(_asked(_DELETE, 0, request))


def _asked(number: int, flags: int, request: bytes) -> Iterator[tuple[int, memoryview]]:
    """Yield what the kernel tells until it acknowledges: a message's number and payload; OSError where it refuses."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(dump.SECONDS)
        netlink.send(messages.message(number, messages.REQUEST | messages.ACKNOWLEDGE | flags, request))
        while True:
            for kind, _, _, told in messages.split(memoryview(netlink.recv(messages.BUFFER))):
                if kind != messages.ERROR:
                    yield kind, told
                elif (error := messages.refusal(told)) is not None:
                    raise error
                else:
                    return
