"""The interface that leads a network's bridge to the LAN: a physical one or a VLAN's, over netlink (pyroute2)."""

import errno
import ipaddress
import socket
import typing

import pyroute2
from pyroute2.netlink import exceptions

from netplugin import model, parents

_IFF_UP, _IFF_LOOPBACK = 0x1, 0x8  # linux/if.h


class Netlink(typing.Protocol):
    """What is asked of the kernel to make a VLAN's interface (pyroute2.IPRoute)."""

    def link_lookup(self, *, ifname: str) -> list[int]: ...
    def link(self, command: str, **attributes: object) -> object: ...


def interface(name: str) -> parents.Interface | None:
    """Return an interface of the host; None where there is none of the name."""
    with pyroute2.IPRoute() as netlink:
        try:
            (link,) = netlink.link("get", ifname=name)
        except exceptions.NetlinkError as error:
            if error.code == errno.ENODEV:
                return None
            raise
        information = link.get("linkinfo") or {}
        kind = str(information.get("kind") or "")
        lower = link.get("link") if kind == "vlan" else None
        return parents.Interface(
            name=name,
            kind=kind,
            loopback=bool(link["flags"] & _IFF_LOOPBACK),
            mtu=int(link.get("mtu")),
            up=bool(link["flags"] & _IFF_UP),
            master=_name(netlink, link.get("master")),
            parent=_name(netlink, lower),
            vlan=(information.get("data") or {}).get("vlan_id") if kind == "vlan" else None,
            addresses=_addresses(netlink, int(link["index"])),
        )


def ensure(network: model.Network) -> None:
    """Have the uplink a port of the network's bridge, and up; a VLAN's interface is made where it is missing."""
    uplink = str(network.uplink)
    what = f"put {uplink} into the bridge {network.bridge}"
    with pyroute2.IPRoute() as netlink:
        try:
            if network.vlan is not None:
                ensure_vlan(netlink, network)
            netlink.link("set", index=_index(netlink, what, uplink), master=_index(netlink, what, network.bridge))
            netlink.link("set", ifname=network.parent, state="up")
            netlink.link("set", ifname=uplink, state="up")
        except exceptions.NetlinkError as error:
            raise _kernel_refused(what, error) from error


def ensure_vlan(netlink: Netlink, network: model.Network) -> None:
    """Make the VLAN's interface over the parent (8021q), if it is not there."""
    name = str(network.uplink)
    if netlink.link_lookup(ifname=name):
        return
    what = f"make the interface {name}"
    over = _index(netlink, what, str(network.parent))
    try:
        netlink.link("add", ifname=name, kind="vlan", link=over, vlan_id=network.vlan)
    except exceptions.NetlinkError as error:
        if error.code not in {errno.EOPNOTSUPP, errno.ENODEV}:
            raise _kernel_refused(what, error) from error
        raise model.Cannot(
            what,
            why="this kernel has no VLANs (802.1Q)",
            hint="modprobe 8021q; where that fails, boot a kernel that has CONFIG_VLAN_8021Q, or leave the VLAN away",
            reason=model.Reason.UNAVAILABLE,
        ) from error


def stands(network: model.Network) -> bool:
    """Tell whether the uplink is a port of the network's bridge, and up; a network without one has what it wishes."""
    if network.uplink is None:
        return True
    found = interface(network.uplink)
    return found is not None and found.up and found.master == network.bridge


def _name(netlink: pyroute2.IPRoute, index: int | None) -> str | None:
    if not index:
        return None
    (link,) = netlink.link("get", index=index)
    return str(link.get("ifname"))


def _addresses(netlink: pyroute2.IPRoute, index: int) -> tuple[str, ...]:
    """Return the addresses with prefix lengths, but for link-local ones of IPv6, which each Ethernet interface has."""
    found = [
        (address.get("local") or address.get("address"), int(address["prefixlen"]))
        for family in (socket.AF_INET, socket.AF_INET6)
        for address in netlink.get_addr(index=index, family=family)
    ]
    interfaces = [ipaddress.ip_interface(pair) for pair in found]
    return tuple(str(i) for i in interfaces if not (i.version == 6 and i.is_link_local))


def _index(netlink: Netlink, what: str, name: str) -> int:
    found = netlink.link_lookup(ifname=name)
    if not found:
        raise model.Cannot(
            what,
            why=f"the interface {name} is gone",
            hint="the keeper puts it back as soon as it is there again",
            reason=model.Reason.UNAVAILABLE,
        )
    return found[0]


def _kernel_refused(what: str, error: exceptions.NetlinkError) -> model.Cannot:
    match error.code:
        case errno.EBUSY:
            why, hint = "something else holds it (a bridge, a bond, macvlan)", "see ip -d link, and free it"
        case errno.EOPNOTSUPP | errno.EINVAL | errno.ELOOP:
            why, hint = "an interface of this kind can be no port", "Wi-Fi stations cannot; give another"
        case _:
            why, hint = f"the kernel says {error}", "see dmesg and the driver's log"
    return model.Cannot(what, why=why, hint=hint, reason=model.Reason.UNAVAILABLE)
