"""Bridges and veth pairs, over netlink (pyroute2), in the network namespace in which the driver runs."""

import contextlib
import dataclasses
import errno
import ipaddress
import os
import pathlib
import socket

import pyroute2
from pyroute2.netlink import exceptions
from pyroute2.netlink.rtnl import ifinfmsg

from netplugin import dump, model, naming, rtnetlink

_IFF_UP = 1  # linux/if.h
_NODAD = 0x2  # IFA_F_NODAD (linux/if_addr.h)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """An interface as the kernel has it."""

    index: int
    kind: str
    up: bool


def ensure_bridge(network: model.Network) -> None:
    """Have the network's bridge, one of our own, with its own address, up.

    Its hardware address is set, since a bridge without one takes the lowest of its ports
    (br_stp_recalculate_bridge_id) and would change it as machines come and go.
    """
    name, interface = network.bridge, network.interface
    with pyroute2.IPRoute() as netlink:
        try:
            if _find(netlink, name) is None:
                netlink.link("add", ifname=name, kind="bridge", mtu=network.mtu, address=naming.bridge_mac(network))
            index = _bridge(netlink, name)
            if interface is not None and interface.ip not in _addresses(netlink, index):
                prefix = interface.network.prefixlen
                netlink.addr("add", index=index, address=str(interface.ip), prefixlen=prefix)
            if network.interface6 is not None and network.gateway6 not in _addresses6(netlink, index):
                _bear6(netlink, index, network.interface6, name)
            netlink.link("set", index=index, state="up")
        except exceptions.NetlinkError as error:
            raise _kernel_refused(f"make the bridge {name}", error.code) from error


def check_bridge(network: model.Network) -> None:
    """Refuse a bridge that somebody else made and that does not serve the network as it is; touch nothing."""
    name, interface = network.bridge, network.interface
    with pyroute2.IPRoute() as netlink:
        index = _bridge(netlink, name)
        if interface is not None and interface.ip not in _addresses(netlink, index):
            whose = "the gateway's address" if network.routed_here else "the address"
            raise _bridge_refused(name, f"it stood before and does not bear {whose} {interface}")
        if network.interface6 is not None and network.gateway6 not in _addresses6(netlink, index):
            raise _bridge_refused(name, f"it stood before and does not bear the gateway's address {network.interface6}")
        found = _find(netlink, name)
        if found is not None and not found.up:
            raise _bridge_refused(name, "it stood before and is down")


def stands(network: model.Network) -> bool:
    """Tell whether the network's bridge is there, up, and bears its address, if it has one."""
    with pyroute2.IPRoute() as netlink:
        found = _find(netlink, network.bridge)
        if found is None or found.kind != "bridge" or not found.up:
            return False
        if network.gateway6 is not None and network.gateway6 not in _addresses6(netlink, found.index):
            return False
        return network.address is None or network.address in _addresses(netlink, found.index)


def overlapping(network: model.Network) -> str | None:
    """Return another interface of which an address lies in the subnets, with the address; None where there is none."""
    with pyroute2.IPRoute() as netlink:
        names = dict(socket.if_nameindex())
        for address in netlink.get_addr():
            interface = ipaddress.ip_interface(f"{address.get('address')}/{address['prefixlen']}")
            prefix = network.subnet if interface.version == 4 else network.subnet6
            name = names.get(address["index"])
            if name != network.bridge and prefix and interface.network.overlaps(prefix):
                return f"{name} has {interface}"
    return None


def exists(name: str) -> bool:
    """Tell whether there is an interface of the name."""
    with pyroute2.IPRoute() as netlink:
        return _find(netlink, name) is not None


def delete_link(name: str) -> None:
    """Delete a bridge, or a veth pair by either of its ends; one that is gone already is fine."""
    try:
        rtnetlink.delete(name)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise _kernel_refused(f"delete the interface {name}", error.errno or 0) from error


def create_veth(veth: model.Veth, network: model.Network) -> None:
    """Make the pair: the host end up and a port of the bridge, the peer down in the host's namespace.

    One netlink message does it all. The engine moves the peer into the sandbox after Join.
    """
    what = f"plug {veth.host} into the bridge {network.bridge}"
    try:
        bridge = socket.if_nametoindex(network.bridge)
    except OSError:
        raise model.Cannot(
            what,
            why="the bridge is gone",
            hint="the keeper makes it again within seconds: try again",
            reason=model.Reason.UNAVAILABLE,
        ) from None
    try:
        rtnetlink.add_veth(veth, mtu=network.mtu, address=naming.port_mac(network.gateway), master=bridge)
    except OSError as error:
        # A bridge out of ports refuses after the kernel made the pair.
        if error.errno != errno.EEXIST:
            delete_link(veth.host)
        raise _unplugged(what, network.bridge, error.errno or 0) from error


def attach(host_end: str, *, bridge: str) -> None:
    """Make a host end a port of the bridge again, which someone deleted and which was made anew."""
    with pyroute2.IPRoute() as netlink:
        try:
            netlink.link("set", ifname=host_end, master=_bridge(netlink, bridge), state="up")
        except exceptions.NetlinkError as error:
            raise _unplugged(f"plug {host_end} into the bridge {bridge}", bridge, error.code) from error


def port(host_end: str) -> model.Port | None:
    """Return one host end, for which no other is looked at; None where there is no such interface."""
    try:
        link = rtnetlink.find(host_end)
        bridge = None if link is None or link.master is None else socket.if_indextoname(link.master)
    except OSError as error:
        raise _kernel_refused(f"look at {host_end}", error.errno or 0) from error
    return None if link is None else _port(bridge, up=link.up, elsewhere=link.elsewhere)


def ports() -> dict[str, model.Port]:
    """Return the host ends that bear the driver's names."""
    bridges = {link.index: link.name for link in dump.links(kind="bridge")}
    return {
        link.name: _port(bridges.get(link.master or 0), up=link.up, elsewhere=link.elsewhere)
        for link in dump.links(kind="veth")
        if naming.is_host_end(link.name)
    }


def forwarding(bridge: str) -> bool:
    """Tell whether the kernel forwards what comes in by the bridge (net.ipv4.conf.BRIDGE.forwarding)."""
    try:
        return pathlib.Path(f"/proc/sys/net/ipv4/conf/{bridge}/forwarding").read_text().strip() == "1"
    except OSError:
        return False


def forwarding6() -> bool:
    """Tell whether the kernel forwards IPv6; it is one switch for all interfaces (ip6_forward in net/ipv6)."""
    try:
        return pathlib.Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text().strip() != "0"
    except OSError:
        return False


def _port(bridge: str | None, *, up: bool, elsewhere: bool) -> model.Port:
    """Return a port; the kernel tells IFLA_LINK_NETNSID of a link only where its peer is in another namespace."""
    return model.Port(bridge=bridge, up=up, peer=model.Whereabouts.AWAY if elsewhere else model.Whereabouts.HERE)


def _link(netlink: pyroute2.IPRoute, name: str) -> ifinfmsg.ifinfmsg | None:
    try:
        (link,) = netlink.link("get", ifname=name)
    except exceptions.NetlinkError as error:
        if error.code == errno.ENODEV:
            return None
        raise
    return link


def _find(netlink: pyroute2.IPRoute, name: str) -> "_Found | None":
    """Return the interface; a physical one has the kind ''."""
    if (link := _link(netlink, name)) is None:
        return None
    kind = str((link.get("linkinfo") or {}).get("kind") or "")
    return _Found(index=int(link["index"]), kind=kind, up=bool(link["flags"] & _IFF_UP))


def _bridge(netlink: pyroute2.IPRoute, name: str) -> int:
    """Return the index of the bridge; an interface that is none, or is not there, is refused."""
    match _find(netlink, name):
        case None:
            raise _bridge_refused(name, "it is not there, and the driver did not make it")
        case _Found(index=index, kind="bridge"):
            return index
        case _Found(kind=kind):
            raise _bridge_refused(name, f"an interface of that name is there, and is {kind or 'a physical one'}")


def _addresses(netlink: pyroute2.IPRoute, index: int) -> set[ipaddress.IPv4Address]:
    found = netlink.get_addr(index=index, family=socket.AF_INET)
    return {ipaddress.IPv4Address(address.get("address")) for address in found}


def _addresses6(netlink: pyroute2.IPRoute, index: int) -> set[ipaddress.IPv6Address]:
    return {ipaddress.IPv6Address(a.get("address")) for a in netlink.get_addr(index=index, family=socket.AF_INET6)}


def _bear6(netlink: pyroute2.IPRoute, index: int, interface: ipaddress.IPv6Interface, bridge: str) -> None:
    """Give the bridge its IPv6 address at once, not after duplicates are looked for; machines tell it no routes."""
    with contextlib.suppress(OSError):  # a managed plugin has /proc/sys read-only
        pathlib.Path(f"/proc/sys/net/ipv6/conf/{bridge}/accept_ra").write_text("0")
    address, bits = str(interface.ip), interface.network.prefixlen
    netlink.addr("add", index=index, address=address, prefixlen=bits, family=socket.AF_INET6, flags=_NODAD)


def _bridge_refused(name: str, why: str) -> model.Cannot:
    return model.Cannot(
        f"use {name} as the bridge",
        why=why,
        hint=f"put it right (ip addr show {name}), or name another with -o fullhost.bridge=…",
        reason=model.Reason.CONFLICT,
    )


def _unplugged(what: str, bridge: str, code: int) -> model.Cannot:
    """Return the refusal of a port; the kernel numbers those of a bridge 1 to 1,023 (BR_MAX_PORTS, find_portno)."""
    if code != errno.EXFULL:
        return _kernel_refused(what, code)
    why = f"the bridge {bridge} has its 1023 ports, all that the kernel allows"
    hint = "stop a container that is on it, or use a second network, with a bridge of its own (-o fullhost.bridge=…)"
    return model.Cannot(what, why=why, hint=hint, reason=model.Reason.UNAVAILABLE)


def _kernel_refused(what: str, code: int) -> model.Cannot:
    match code:
        case errno.EEXIST:
            why, hint = "an interface of that name is there", "delete it with ip link del, and try again"
        case _:
            why, hint = f"the kernel says: {os.strerror(code)}", "see dmesg and the driver's log"
    return model.Cannot(what, why=why, hint=hint, reason=model.Reason.UNAVAILABLE)
