"""Bridges and veth pairs, over netlink (pyroute2), in the network namespace in which the driver runs."""

import contextlib
import errno
import ipaddress
import os
import pathlib
import socket

from netplugin import dump, model, naming, netlink, rtnetlink

_NODAD = 0x2  # IFA_F_NODAD (linux/if_addr.h)


def ensure_bridge(network: model.Network) -> None:
    """Have the network's bridge, one of our own, with its own address, up.

    Its hardware address is set, since a bridge without one takes the lowest of its ports
    (br_stp_recalculate_bridge_id) and would change it as machines come and go.
    """
    name, interface = network.bridge, network.interface
    try:
        with netlink.opened() as library:
            if rtnetlink.find(name) is None:
                library.link("add", ifname=name, kind="bridge", mtu=network.mtu, address=naming.bridge_mac(network))
            index = _bridge(name).index
            borne = dump.addresses(index)
            if interface is not None and interface.ip not in borne:
                prefix = interface.network.prefixlen
                library.addr("add", index=index, address=str(interface.ip), prefixlen=prefix)
            if network.interface6 is not None and network.gateway6 not in borne:
                _bear6(library, index, network.interface6, name)
            library.link("set", index=index, state="up")
    except OSError as error:
        raise _kernel_refused(f"make the bridge {name}", error.errno or 0) from error


def check_bridge(network: model.Network) -> None:
    """Refuse a bridge that somebody else made and that does not serve the network as it is; touch nothing."""
    name, interface = network.bridge, network.interface
    found = _bridge(name)
    borne = dump.addresses(found.index)
    if interface is not None and interface.ip not in borne:
        whose = "the gateway's address" if network.routed_here else "the address"
        raise _bridge_refused(name, f"it stood before and does not bear {whose} {interface}")
    if network.interface6 is not None and network.gateway6 not in borne:
        raise _bridge_refused(name, f"it stood before and does not bear the gateway's address {network.interface6}")
    if not found.up:
        raise _bridge_refused(name, "it stood before and is down")


def stands(network: model.Network) -> bool:
    """Tell whether the network's bridge is there, up, and bears its address, if it has one."""
    found = _find(network.bridge)
    if found is None or found.kind != "bridge" or not found.up:
        return False
    borne = dump.addresses(found.index)
    return all(address is None or address in borne for address in (network.address, network.gateway6))


def overlapping(network: model.Network) -> str | None:
    """Return another interface of which an address lies in the subnets, with the address; None where there is none."""
    with netlink.opened() as library:
        names = dict(socket.if_nameindex())
        for address in library.get_addr():
            borne = address.get("local") or address.get("address")  # the latter may be the peer's, or missing
            interface = ipaddress.ip_interface(f"{borne}/{address['prefixlen']}")
            prefix = network.subnet if interface.version == 4 else network.subnet6
            name = names.get(address["index"])
            if name != network.bridge and prefix and interface.network.overlaps(prefix):
                return f"{name} has {interface}"
    return None


def exists(name: str) -> bool:
    """Tell whether there is an interface of the name."""
    return _find(name) is not None


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
    try:
        with netlink.opened() as library:
            library.link("set", ifname=host_end, master=_bridge(bridge).index, state="up")
    except OSError as error:
        raise _unplugged(f"plug {host_end} into the bridge {bridge}", bridge, error.errno or 0) from error


def port(host_end: str) -> model.Port | None:
    """Return one host end, for which no other is looked at; None where there is no such interface."""
    link = _find(host_end)
    try:
        bridge = None if link is None or link.master is None else socket.if_indextoname(link.master)
    except OSError as error:
        raise _kernel_refused(f"look at {host_end}", error.errno or 0) from error
    return None if link is None else _port(bridge, link)


def ports() -> dict[str, model.Port]:
    """Return the host ends that bear the driver's names."""
    bridges = {link.index: link.name for link in dump.links(kind="bridge")}
    return {
        link.name: _port(bridges.get(link.master or 0), link)
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


def _port(bridge: str | None, link: dump.Link) -> model.Port:
    """Return a port; the kernel tells IFLA_LINK_NETNSID of a link only where its peer is in another namespace."""
    awake = model.Whereabouts.AWAY if link.carrier else model.Whereabouts.ASLEEP
    return model.Port(bridge=bridge, up=link.up, peer=awake if link.elsewhere else model.Whereabouts.HERE)


def _find(name: str) -> dump.Link | None:
    try:
        return rtnetlink.find(name)
    except OSError as error:
        raise _kernel_refused(f"look at {name}", error.errno or 0) from error


def _bridge(name: str) -> dump.Link:
    """Return the bridge; an interface that is none, or is not there, is refused."""
    match _find(name):
        case None:
            raise _bridge_refused(name, "it is not there, and the driver did not make it")
        case dump.Link(kind="bridge") as found:
            return found
        case dump.Link(kind=kind):
            raise _bridge_refused(name, f"an interface of that name is there, and is {kind or 'a physical one'}")


def _bear6(library: netlink.Library, index: int, interface: ipaddress.IPv6Interface, bridge: str) -> None:
    """Give the bridge its IPv6 address at once, not after duplicates are looked for; machines tell it no routes."""
    with contextlib.suppress(OSError):  # a managed plugin has /proc/sys read-only
        pathlib.Path(f"/proc/sys/net/ipv6/conf/{bridge}/accept_ra").write_text("0")
    address, bits = str(interface.ip), interface.network.prefixlen
    library.addr("add", index=index, address=address, prefixlen=bits, family=socket.AF_INET6, flags=_NODAD)


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
