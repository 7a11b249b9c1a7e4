"""Elements of sets of nf_tables, over netlink (linux/netfilter/nf_tables.h): what each start changes of the rules.

The nft command takes 4 to 8 ms, of which most is the command; this takes 0.2 ms. Sets and rules themselves are written
by nft, once.
"""

import contextlib
import dataclasses
import itertools
import socket
import struct
from collections.abc import Iterable, Iterator

from netplugin import messages

SECONDS = 2.0  # the kernel answers at once, or something is very wrong
_NETFILTER = 12  # NETLINK_NETFILTER
_BRIDGE = 7  # NFPROTO_BRIDGE
_BEGIN, _END = 16, 17  # NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_NEW, _GET, _DELETE = ((_SUBSYSTEM << 8) | number for number in (12, 13, 14))  # NFT_MSG_…SETELEM
_TABLE, _SET, _ELEMENTS = 1, 2, 3  # NFTA_SET_ELEM_LIST_…
_ELEMENT, _KEY, _EXPRESSION, _VALUE = 1, 1, 7, 1  # NFTA_LIST_ELEM, NFTA_SET_ELEM_KEY, …_EXPR, NFTA_DATA_VALUE
_DATA, _PACKETS = 2, 2  # NFTA_EXPR_DATA, NFTA_COUNTER_PACKETS
_GENERIC = struct.Struct("=BBH")  # nfgenmsg; the last number is big-endian
_COUNT = struct.Struct("!Q")
_ROOM = 8 << 20  # octets to send at once: a thousand machines have 420,000
_IN_ONE = 500  # elements of a message, in which a list has 65,535 octets at most
_ATTEMPTS = 20
_SO_SNDBUFFORCE = 32  # asm-generic/socket.h


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Element:
    """An element of a set: the key as the kernel has it, each part of it filled up to a whole word."""

    set: str
    key: bytes


def change(table: str, *, add: Iterable[Element] = (), delete: Iterable[Element] = ()) -> None:
    """Add what may be there already, and delete what has to be, in one transaction; OSError where it is refused."""
    changes = [*_changes(_DELETE, table, delete), *_changes(_NEW, table, add)]
    if not changes:
        return
    *first, (number, flags, payload) = changes
    first.append((number, flags | messages.ACKNOWLEDGE, payload))
    batch = [
        messages.message(_BEGIN, messages.REQUEST, _GENERIC.pack(0, 0, socket.htons(_SUBSYSTEM)), sequence=0),
        *(messages.message(*of, sequence=place) for place, of in enumerate(first, start=1)),
        messages.message(_END, messages.REQUEST, _GENERIC.pack(0, 0, socket.htons(_SUBSYSTEM)), sequence=0),
    ]
    with _netlink() as netlink:
        netlink.send(b"".join(batch))
        while True:  # refusals come first, and the acknowledgement of the last change only where there are none
            for kind, _, sequence, told in messages.split(memoryview(netlink.recv(messages.BUFFER))):
                if kind == messages.ERROR and (error := messages.refusal(told)) is not None:
                    raise error
                if sequence == len(first):
                    return


def elements(table: str, name: str) -> dict[bytes, int]:
    """Return the keys of a set, each with the packets that its counter has, 0 where it has none; OSError without it."""
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(InterruptedError):
            return dict(_dump(table, name))
    raise InterruptedError(f"the set {name} changes too quickly: {_ATTEMPTS} lists in turn were torn")


def _changes(number: int, table: str, of: Iterable[Element]) -> Iterator[tuple[int, int, bytes]]:
    """Yield messages that add or delete elements; those of one set together."""
    flags = messages.REQUEST | (messages.CREATE if number == _NEW else 0)
    for name, group in itertools.groupby(sorted(of), key=lambda element: element.set):
        mine = list(group)
        for start in range(0, len(mine), _IN_ONE):
            listed = (_listed(element.key) for element in mine[start : start + _IN_ONE])
            yield number, flags, _head(table, name) + messages.nested(_ELEMENTS, *listed)


def _listed(key: bytes) -> bytes:
    return messages.nested(_ELEMENT, messages.nested(_KEY, messages.attribute(_VALUE, key)))


def _head(table: str, name: str) -> bytes:
    return _GENERIC.pack(_BRIDGE, 0, 0) + messages.text(_TABLE, table) + messages.text(_SET, name)


def _dump(table: str, name: str) -> Iterator[tuple[bytes, int]]:
    with _netlink() as netlink:
        netlink.send(messages.message(_GET, messages.REQUEST | messages.DUMP, _head(table, name)))
        while True:
            for number, flags, _, payload in messages.split(memoryview(netlink.recv(messages.BUFFER))):
                if flags & messages.INTERRUPTED:
                    raise InterruptedError
                if number == messages.DONE:
                    return
                if number == messages.ERROR and (error := messages.refusal(payload)) is not None:
                    raise error
                if number == _NEW:
                    yield from _read(payload)


def _read(payload: memoryview) -> Iterator[tuple[bytes, int]]:
    """Yield the elements of a message."""
    for kind, listed in messages.attributes(payload, _GENERIC.size):
        for _, element in messages.attributes(listed) if kind == _ELEMENTS else ():
            found = dict(messages.attributes(element))
            key = dict(messages.attributes(found[_KEY]))[_VALUE]
            yield bytes(key), _packets(found.get(_EXPRESSION))


def _packets(expression: memoryview | None) -> int:
    if expression is None:
        return 0
    data = dict(messages.attributes(dict(messages.attributes(expression))[_DATA]))
    return int(_COUNT.unpack(data[_PACKETS])[0])


def _netlink() -> socket.socket:
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
    netlink.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _ROOM)
    netlink.settimeout(SECONDS)
    return netlink
