"""Frames with which one machine is another, octet by octet, and frames with which it is itself (pure).

Each ends with a mark of its own, by which who gets it knows it.
"""

import dataclasses
import ipaddress
import struct

from netplugin import frames, pins

_BROADCAST = "ff:ff:ff:ff:ff:ff"
_ARP, _IPV4, _IPV6, _RARP, _VLAN, _SERVICE_VLAN, _PPPOE, _EAPOL, _LLDP = (
    0x0806,
    0x0800,
    0x86DD,
    0x8035,
    0x8100,
    0x88A8,
    0x8863,
    0x888E,
    0x88CC,
)
_UDP, _ICMP6, _HOP_BY_HOP, _FRAGMENT = 17, 58, 0, 44
_ALL_NODES = ipaddress.IPv6Address("ff02::1")
_NOBODY = ipaddress.IPv4Address(0)
_NOWHERE = ipaddress.IPv6Address("::")
_SOLICIT, _ADVERTISE, _ROUTER, _REDIRECT, _REPORT = 135, 136, 134, 137, 143
_MARK = 8  # octets
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Who:
    """A machine, or the gateway: its hardware address and its addresses."""

    mac: str
    ip: ipaddress.IPv4Address

    @property
    def ip6(self) -> ipaddress.IPv6Address:
        """The link-local address."""
        return pins.link_local(self.mac)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """A frame that is sent, in words; `why` it is to be stopped, None where it is honest.

    Without any rules the bridge carries it to all, but where `local`: then it is the bridge's own matter.
    """

    what: str
    octets: bytes
    why: frames.Why | None = None
    local: bool = False

    @property
    def mark(self) -> bytes:
        """Its last octets, which no other frame has."""
        return self.octets[-_MARK:]


def spoofs(me: Who, other: Who, gateway: Who) -> tuple[Frame, ...]:
    """Return frames with which I am another."""
    why = frames.Why
    mine, theirs = me.mac, other.mac
    return _marked(
        b"SPOOF",
        _spoof("IPv4 from a neighbour's address", mine, _ipv4(other.ip), why.IPV4),
        _spoof("IPv4 from a neighbour's address and hardware address", theirs, _ipv4(other.ip), why.HARDWARE),
        _spoof("IPv4 from the gateway's address", mine, _ipv4(gateway.ip), why.IPV4),
        _spoof("IPv4 from an address of the world", mine, _ipv4(ipaddress.IPv4Address("192.0.2.66")), why.IPV4),
        _spoof("IPv4 from no address, as a DHCP client", mine, _ipv4(_NOBODY, 68, 67), why.IPV4),
        _spoof("own IPv4 from a neighbour's hardware address", theirs, _ipv4(me.ip), why.HARDWARE),
        _spoof("own IPv4 from the gateway's hardware address", gateway.mac, _ipv4(me.ip), why.HARDWARE),
        _spoof("ARP reply: a neighbour's address is mine", mine, _arp(2, me.mac, other.ip, me.ip), why.ARP),
        _spoof("ARP reply: the gateway's address is mine", mine, _arp(2, me.mac, gateway.ip, me.ip), why.ARP),
        _spoof("ARP reply: my address is a neighbour's", mine, _arp(2, other.mac, me.ip, me.ip), why.ARP),
        _spoof("ARP request from a neighbour's address", mine, _arp(1, me.mac, other.ip, gateway.ip), why.ARP),
        _spoof("ARP announcement of a neighbour", theirs, _arp(1, other.mac, other.ip, other.ip), why.HARDWARE),
        _spoof("ARP probe for a neighbour's address", mine, _arp(1, me.mac, _NOBODY, other.ip), why.ARP),
        _spoof(
            "ARP request from no address, of a neighbour's hardware", mine, _arp(1, theirs, _NOBODY, _NOBODY), why.ARP
        ),
        _spoof("ARP of another operation", mine, _arp(8, me.mac, me.ip, other.ip), why.ARP),
        _spoof("RARP", mine, (_RARP, _arp(3, me.mac, me.ip, me.ip)[1]), why.PROTOCOL),
        _spoof("DHCP offer", mine, _ipv4(me.ip, 67, 68), why.DHCP),
        _spoof("DHCP offer in fragments", mine, _ipv4(me.ip, 67, 68, more=True), why.DHCP),
        _spoof("DHCPv6 reply", mine, _ipv6(me.ip6, _UDP, _udp(547, 546)), why.DHCP),
        _spoof("IPv6 from a neighbour's address", mine, _ipv6(other.ip6, _UDP, _udp(9, 9)), why.IPV6),
        _spoof("IPv6 from an address of the world", mine, _ipv6(_world(), _UDP, _udp(9, 9)), why.IPV6),
        _spoof("router advertisement", mine, _icmp6(me.ip6, _ROUTER, bytes(12)), why.ROUTER),
        _spoof("router advertisement behind options", mine, _optioned(me.ip6, _ROUTER, bytes(12)), why.ROUTER),
        _spoof("router advertisement in fragments", mine, _fragmented(me.ip6, _ROUTER, bytes(12)), why.ROUTER),
        _spoof("router advertisement of the gateway", mine, _icmp6(gateway.ip6, _ROUTER, bytes(12)), why.IPV6),
        _spoof("ICMPv6 redirect", mine, _icmp6(me.ip6, _REDIRECT, bytes(36)), why.ROUTER),
        _spoof("neighbour advertisement of another's address", mine, _advert(me.ip6, other.ip6, mine), why.NEIGHBOUR),
        _spoof("neighbour advertisement of the gateway's", mine, _advert(me.ip6, gateway.ip6, mine), why.NEIGHBOUR),
        _spoof("neighbour advertisement: I am another", mine, _advert(me.ip6, me.ip6, theirs), why.NEIGHBOUR),
        _spoof("neighbour solicitation: I am another", mine, _solicit(me.ip6, other.ip6, theirs), why.NEIGHBOUR),
        _spoof("neighbour solicitation from another", mine, _solicit(other.ip6, me.ip6, mine), why.IPV6),
        _spoof("IPv6 address probe for another's", mine, _icmp6(_NOWHERE, _SOLICIT, _target(other.ip6)), why.NEIGHBOUR),
        _spoof("router advertisement from no address", mine, _icmp6(_NOWHERE, _ROUTER, bytes(12)), why.IPV6),
        _spoof("multicast report of another", theirs, _icmp6(_NOWHERE, _REPORT, bytes(4)), why.HARDWARE),
        _spoof("VLAN's tag before another's IPv4", mine, _tagged(_VLAN, _ipv4(other.ip)), why.PROTOCOL),
        _spoof("VLAN's tag before own IPv4", mine, _tagged(_VLAN, _ipv4(me.ip)), why.PROTOCOL),
        _spoof("provider's tag (802.1ad)", mine, _tagged(_SERVICE_VLAN, _ipv4(other.ip)), why.PROTOCOL),
        _spoof("PPPoE discovery", mine, (_PPPOE, bytes.fromhex("110900000000")), why.PROTOCOL),
        _spoof("LLC frame without a type (IPX)", mine, (38, bytes.fromhex("ffff0022") + bytes(34)), why.PROTOCOL),
        _spoof("spanning tree", mine, (38, bytes.fromhex("424203") + bytes(35)), why.PROTOCOL, to="01:80:c2:00:00:00"),
        _spoof("LLDP of another", theirs, (_LLDP, bytes(46)), why.HARDWARE, to="01:80:c2:00:00:0e", local=True),
        _spoof("EAPOL of another", theirs, (_EAPOL, bytes(46)), why.HARDWARE, to="01:80:c2:00:00:03", local=True),
    )


def honest(me: Who, other: Who) -> tuple[Frame, ...]:
    """Return frames with which I am myself."""
    return _marked(
        b"MYOWN",
        _own("IPv4", me, _ipv4(me.ip)),
        _own("IPv4 as a DHCP client that renews", me, _ipv4(me.ip, 68, 67)),
        _own("ARP request", me, _arp(1, me.mac, me.ip, other.ip)),
        _own("ARP reply", me, _arp(2, me.mac, me.ip, other.ip)),
        _own("ARP announcement", me, _arp(1, me.mac, me.ip, me.ip)),
        _own("ARP probe for the own address", me, _arp(1, me.mac, _NOBODY, me.ip)),
        _own("ARP request from no address for none", me, _arp(1, me.mac, _NOBODY, _NOBODY)),
        _own("IPv6", me, _ipv6(me.ip6, _UDP, _udp(9, 9))),
        _own("neighbour solicitation", me, _solicit(me.ip6, other.ip6, me.mac)),
        _own("neighbour advertisement", me, _advert(me.ip6, me.ip6, me.mac)),
        _own("IPv6 address probe for the own", me, _icmp6(_NOWHERE, _SOLICIT, _target(me.ip6))),
        _own("multicast report from no address", me, _icmp6(_NOWHERE, _REPORT, bytes(4))),
        _own("router solicitation", me, _icmp6(me.ip6, 133, bytes(4))),
    )


def _marked(tag: bytes, *found: Frame) -> tuple[Frame, ...]:
    return tuple(
        dataclasses.replace(frame, octets=frame.octets + tag + b"%03d" % number) for number, frame in enumerate(found)
    )


def _spoof(
    what: str, source: str, payload: tuple[int, bytes], why: frames.Why, *, to: str = _BROADCAST, local: bool = False
) -> Frame:
    return Frame(what=what, octets=_ethernet(to, source, *payload), why=why, local=local)


def _own(what: str, me: Who, payload: tuple[int, bytes]) -> Frame:
    return Frame(what=what, octets=_ethernet(_BROADCAST, me.mac, *payload))


def _hardware(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _ethernet(to: str, source: str, kind: int, payload: bytes) -> bytes:
    return _hardware(to) + _hardware(source) + struct.pack("!H", kind) + payload


def _arp(operation: int, hardware: str, sender: _Address, target: _Address) -> tuple[int, bytes]:
    head = struct.pack("!HHBBH", 1, _IPV4, 6, 4, operation)
    return _ARP, head + _hardware(hardware) + sender.packed + bytes(6) + target.packed + bytes(10)


def _ipv4(source: _Address, port: int = 9, to: int = 9, *, more: bool = False) -> tuple[int, bytes]:
    udp = _udp(port, to)
    flags = 0x2000 if more else 0
    fields = (
        0x45,
        0,
        20 + len(udp) + _MARK,
        7,
        flags,
        64,
        _UDP,
        0,
        source.packed,
        ipaddress.IPv4Address("255.255.255.255").packed,
    )
    head = struct.pack("!BBHHHBBH4s4s", *fields)
    return _IPV4, head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + udp


def _udp(port: int, to: int) -> bytes:
    return struct.pack("!HHHH", port, to, 24 + _MARK, 0) + bytes(16)


def _ipv6(source: ipaddress.IPv6Address, following: int, payload: bytes) -> tuple[int, bytes]:
    head = struct.pack("!IHBB", 6 << 28, len(payload) + _MARK, following, 255)
    return _IPV6, head + source.packed + _ALL_NODES.packed + payload


def _icmp6(source: ipaddress.IPv6Address, kind: int, body: bytes) -> tuple[int, bytes]:
    return _ipv6(source, _ICMP6, struct.pack("!BBH", kind, 0, 0) + body)


def _optioned(source: ipaddress.IPv6Address, kind: int, body: bytes) -> tuple[int, bytes]:
    options = struct.pack("!BB6s", _ICMP6, 0, bytes.fromhex("010400000000"))
    return _ipv6(source, _HOP_BY_HOP, options + struct.pack("!BBH", kind, 0, 0) + body)


def _fragmented(source: ipaddress.IPv6Address, kind: int, body: bytes) -> tuple[int, bytes]:
    head = struct.pack("!BBHI", _ICMP6, 0, 1, 7)
    return _ipv6(source, _FRAGMENT, head + struct.pack("!BBH", kind, 0, 0) + body)


def _target(address: ipaddress.IPv6Address) -> bytes:
    return bytes(4) + address.packed


def _solicit(source: ipaddress.IPv6Address, target: ipaddress.IPv6Address, hardware: str) -> tuple[int, bytes]:
    return _icmp6(source, _SOLICIT, _target(target) + b"\x01\x01" + _hardware(hardware))


def _advert(source: ipaddress.IPv6Address, target: ipaddress.IPv6Address, hardware: str) -> tuple[int, bytes]:
    return _icmp6(source, _ADVERTISE, _target(target) + b"\x02\x01" + _hardware(hardware))


def _tagged(kind: int, inner: tuple[int, bytes]) -> tuple[int, bytes]:
    return kind, struct.pack("!HH", 20, inner[0]) + inner[1]


def _world() -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address("2001:db8::66")


def _checksum(octets: bytes) -> int:
    total = sum(int(word) for word in struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
