"""The veth by which a DHCP client is on the segment of a bridge, for as long as it asks."""

import errno
import ipaddress
import os
import socket
import struct

from netplugin import dump, messages, model, naming, rtnetlink

_ADDRESS, _AF_SPEC = 1, 26  # IFLA_… (linux/if_link.h)
_CONF, _ARP_IGNORE = 1, 19  # IFLA_INET_CONF, IPV4_DEVCONF_ARP_IGNORE (linux/ip.h)
_ADDR_GEN_MODE, _NONE = 8, 1  # IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE
_NEVER = struct.pack("=I", 8)
# In the host's own namespace, an interface without an address would answer ARP for each of the host's addresses, and
# get one of IPv6 and routes by itself. It is told so by netlink, since a managed plugin has /proc/sys read-only.
_MUTE = messages.nested(
    _AF_SPEC,
    messages.nested(socket.AF_INET, messages.nested(_CONF, messages.attribute(_ARP_IGNORE, _NEVER))),
)
_MUTE6 = messages.nested(_AF_SPEC, messages.nested(socket.AF_INET6, messages.attribute(_ADDR_GEN_MODE, bytes([_NONE]))))


def plug(pair: model.Veth, network: model.Network, *, mac: str, address: ipaddress.IPv4Address | None = None) -> None:
    """Make the pair, one end a port of the bridge, the other up, with a hardware address and nothing else.

    To give a lease back takes its `address`: that message is sent to the server alone (RFC 2131, 4.4.6).
    """
    try:
        bridge = socket.if_nametoindex(network.bridge)
        rtnetlink.add_veth(pair, mtu=network.mtu, address=naming.port_mac(network.gateway), master=bridge)
        rtnetlink.change(pair.peer, messages.attribute(_ADDRESS, bytes.fromhex(mac.replace(":", ""))), _MUTE)
        _mute6(pair.peer)
        rtnetlink.change(pair.peer, up=True)
        if address is not None:
            rtnetlink.bear(socket.if_nametoindex(pair.peer), address)
    except OSError as error:
        unplug(pair.host)
        raise model.Cannot(
            f"ask for an address on the bridge {network.bridge}",
            why=f"the kernel says: {os.strerror(error.errno or 0)}",
            hint="see that the bridge is there and has a free port (ip link), and try again",
            reason=model.Reason.UNAVAILABLE,
        ) from error


def unplug(name: str) -> None:
    """Delete the pair, by either of its ends; one that is gone already is fine."""
    try:
        rtnetlink.delete(name)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise model.Cannot(
                f"delete the interface {name}",
                why=f"the kernel says: {os.strerror(error.errno or 0)}",
                hint="see dmesg and the driver's log",
                reason=model.Reason.UNAVAILABLE,
            ) from error


def plugged() -> tuple[str, ...]:
    """Return the ends that are ports of bridges, or were."""
    return tuple(sorted(link.name for link in dump.links(kind="veth") if naming.is_client_port(link.name)))


def _mute6(name: str) -> None:
    """Keep IPv6 away from a link; a kernel without IPv6 needs no telling (EAFNOSUPPORT of validate_linkmsg)."""
    try:
        rtnetlink.change(name, _MUTE6)
    except OSError as error:
        if error.errno != errno.EAFNOSUPPORT:
            raise
