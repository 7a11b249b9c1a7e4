"""Netlink messages as octets (netlink(7)): headers and attributes, for what the netlink library is too slow at."""

import errno
import os
import struct
from collections.abc import Iterator

ERROR, DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE (linux/netlink.h)
REQUEST, ACKNOWLEDGE, CREATE, DUMP = 0x1, 0x4, 0x400, 0x300  # NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP
INTERRUPTED = 0x10  # NLM_F_DUMP_INTR: something came or went meanwhile, and one may be missing
BUFFER = 1 << 15  # octets; the kernel fills up to 32 KiB at a time, if there is room for them (netlink_dump)
_HEADER, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=HH")
_NESTED, _TYPE = 0x8000, 0x3FFF  # NLA_F_NESTED, NLA_TYPE_MASK


def message(number: int, flags: int, payload: bytes, *, sequence: int = 1) -> bytes:
    """Return a message; its payload is of whole words already."""
    return _HEADER.pack(_HEADER.size + len(payload), number, flags, sequence, 0) + payload


def attribute(number: int, value: bytes) -> bytes:
    """Return an attribute, filled up to a whole word."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, number) + value + bytes(-length % 4)


def nested(number: int, *attributes: bytes) -> bytes:
    """Return an attribute of attributes."""
    return attribute(number | _NESTED, b"".join(attributes))


def text(number: int, value: str) -> bytes:
    """Return an attribute with a text, which ends with a zero."""
    return attribute(number, value.encode() + b"\0")


def split(datagram: memoryview) -> Iterator[tuple[int, int, int, memoryview]]:
    """Yield each message of a datagram: its number, its flags, its sequence number, its payload."""
    while datagram:
        length, number, flags, sequence, _ = _HEADER.unpack_from(datagram)
        yield number, flags, sequence, datagram[_HEADER.size : length]
        datagram = datagram[length + -length % 4 :]


def attributes(payload: memoryview, offset: int = 0) -> Iterator[tuple[int, memoryview]]:
    """Yield each attribute from an offset on: its number and its value."""
    end = len(payload)
    while offset < end:
        length, number = _ATTRIBUTE.unpack_from(payload, offset)
        yield number & _TYPE, payload[offset + _ATTRIBUTE.size : offset + length]
        offset += length + -length % 4


def refusal(payload: memoryview) -> OSError | None:
    """Return the error of a message NLMSG_ERROR; None where it is an acknowledgement."""
    code: int = -struct.unpack_from("=i", payload)[0]
    return OSError(code, f"{errno.errorcode.get(code, code)}: {os.strerror(code)}") if code else None
