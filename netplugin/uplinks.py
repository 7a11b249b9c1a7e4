"""The interface that leads a network's bridge to the LAN: a physical one or a VLAN's, over netlink (pyroute2)."""

import errno
import ipaddress
import socket
import typing

from netplugin import model, netlink, parents

_IFF_UP, _IFF_LOOPBACK = 0x1, 0x8  # linux/if.h


class Maker(typing.Protocol):
    """What is asked of the netlink library to make a VLAN's interface (pyroute2.IPRoute)."""

    def link_lookup(self, *, ifname: str) -> list[int]: ...
    def link(self, command: str, **attributes: object) -> object: ...


def interface(name: str) -> parents.Interface | None:
    """Return an interface of the host; None where there is none of the name."""
    with netlink.opened() as library:
        try:
            with netlink.refusals():
                (link,) = library.link("get", ifname=name)
        except OSError as error:
            if error.errno == errno.ENODEV:
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
            master=_name(library, link.get("master")),
            parent=_name(library, lower),
            vlan=(information.get("data") or {}).get("vlan_id") if kind == "vlan" else None,
            addresses=_addresses(library, int(link["index"])),
        )


def ensure(network: model.Network) -> None:
    """Have the uplink a port of the network's bridge, and up; a VLAN's interface is made where it is missing."""
    uplink = str(network.uplink)
    what = f"put {uplink} into the bridge {network.bridge}"
    try:
        with netlink.opened() as library:
            if network.vlan is not None:
                ensure_vlan(library, network)
            library.link("set", index=_index(library, what, uplink), master=_index(library, what, network.bridge))
            library.link("set", ifname=network.parent, state="up")
            library.link("set", ifname=uplink, state="up")
    except OSError as error:
        raise _kernel_refused(what, error) from error


def ensure_vlan(library: Maker, network: model.Network) -> None:
    """Make the VLAN's interface over the parent (8021q), if it is not there."""
    name = str(network.uplink)
    if library.link_lookup(ifname=name):
        return
    what = f"make the interface {name}"
    over = _index(library, what, str(network.parent))
    try:
        with netlink.refusals():
            library.link("add", ifname=name, kind="vlan", link=over, vlan_id=network.vlan)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.ENODEV}:
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


def _name(library: netlink.Library, index: int | None) -> str | None:
    if not index:
        return None
    (link,) = library.link("get", index=index)
    return str(link.get("ifname"))


def _addresses(library: netlink.Library, index: int) -> tuple[str, ...]:
    """Return the addresses with prefix lengths, but for link-local ones of IPv6, which each Ethernet interface has."""
    found = [
        (address.get("local") or address.get("address"), int(address["prefixlen"]))
        for family in (socket.AF_INET, socket.AF_INET6)
        for address in library.get_addr(index=index, family=family)
    ]
    interfaces = [ipaddress.ip_interface(pair) for pair in found]
    return tuple(str(i) for i in interfaces if not (i.version == 6 and i.is_link_local))


def _index(library: Maker, what: str, name: str) -> int:
    found = library.link_lookup(ifname=name)
    if not found:
        raise model.Cannot(
            what,
            why=f"the interface {name} is gone",
            hint="the keeper puts it back as soon as it is there again",
            reason=model.Reason.UNAVAILABLE,
        )
    return found[0]


def _kernel_refused(what: str, error: OSError) -> model.Cannot:
    match error.errno:
        case errno.EBUSY:
            why, hint = "something else holds it (a bridge, a bond, macvlan)", "see ip -d link, and free it"
        case errno.EOPNOTSUPP | errno.EINVAL | errno.ELOOP:
            why, hint = "an interface of this kind can be no port", "Wi-Fi stations cannot; give another"
        case _:
            why, hint = f"the kernel says {error.strerror}", "see dmesg and the driver's log"
    return model.Cannot(what, why=why, hint=hint, reason=model.Reason.UNAVAILABLE)
