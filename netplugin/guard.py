"""What machines may send, in the kernel: one nft table of family bridge, and the flags of the bridge's ports."""

import errno
import re
import socket

from netplugin import dump, frames, messages, model, nftables, pins, programs

_SETS = ("ports", "hosts", "owners", "inet4", "inet6", "senders", "targets")
_SEALED = re.compile(r"^\tchain (sealed-[0-9a-f]{16}) \{\n\t\}\n", re.MULTILINE)
_LISTING = ["nft", "--stateless", "--terse", "list", "table", "bridge", frames.TABLE]


def pin(wish: pins.Pin) -> None:
    """Pin a port, which nobody can send by yet; MISSING where someone took the table away.

    What is pinned is never taken back one by one: a deletion waits 16 ms for all processors (synchronize_rcu in
    nf_tables_commit), a start takes 0.1. A port's name is that of one endpoint, so what is left of it harms nobody.
    """
    try:
        nftables.change(frames.TABLE, add=wish.elements)
        if not wish.free:
            _flag(wish)
    except OSError as error:
        raise _refused(f"pin {wish.port} to {wish.mac}", error) from error


def standing() -> pins.Standing:
    """Return what there is. Elements come before links: of a port that is just being made, the link was first."""
    listed = programs.attempt(_LISTING)
    sealed = listed is not None and _SEALED.findall(listed) == [frames.seal(_SEALED.sub("", listed))]
    elements, counts = (_elements(), _counts()) if sealed else (dict[str, frozenset[bytes]](), dict[bytes, int]())
    links = dump.links(kind="veth")
    ports = {link.name: pins.Flags(isolated=link.isolated, groups=link.groups) for link in links if link.master}
    return pins.Standing(
        there=listed is not None,
        sealed=sealed,
        elements=elements,
        counts=counts,
        links=frozenset(link.name for link in links),
        ports=ports,
    )


def repair(repairs: pins.Repairs) -> None:
    """Do what is to be done; a table that is written anew is open until its elements stand, for a moment."""
    if repairs.write:
        _write()
    try:
        nftables.change(frames.TABLE, add=repairs.add, delete=repairs.delete)
        for wish in repairs.flag:
            _flag(wish)
    except OSError as error:
        raise _refused("pin the machines to what they were given", error) from error


def forget(elements: frozenset[nftables.Element]) -> None:
    """Delete elements; what is gone already is fine."""
    try:
        nftables.change(frames.TABLE, delete=elements)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise _refused("let go what was pinned to ports that are gone", error) from error


def delete() -> None:
    """Delete the table; one that is gone already is fine."""
    text = f"add table bridge {frames.TABLE}\ndelete table bridge {frames.TABLE}\n"
    programs.run(["nft", "-f", "-"], text=text)


def stopped() -> tuple[pins.Stopped, ...]:
    """Return how many frames of which port were stopped since the table was written, and why."""
    return pins.stopped(_counts())


def _write() -> None:
    """Write the table, and seal it as those of the networks are (netplugin.firewall)."""
    programs.run(["nft", "-f", "-"], text=frames.ruleset())
    programs.run(["nft", "add", "chain", "bridge", frames.TABLE, frames.seal(programs.run(_LISTING))])


def _elements() -> dict[str, frozenset[bytes]]:
    try:
        return {name: frozenset(nftables.elements(frames.TABLE, name)) for name in _SETS}
    except OSError as error:
        raise _refused("list what is pinned", error) from error


def _counts() -> dict[bytes, int]:
    try:
        return nftables.elements(frames.TABLE, frames.STOPPED)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return {}
        raise _refused("list what was stopped", error) from error


def _flag(wish: pins.Pin) -> None:
    """Set the flags of a port of a bridge, by its name (br_port_slave_changelink)."""
    flags = messages.nested(
        dump.SLAVE_DATA,
        messages.attribute(dump.GROUP_FORWARD_MASK, dump.SHORT.pack(wish.flags.groups)),
        messages.attribute(dump.ISOLATED, bytes([wish.flags.isolated])),
    )
    payload = dump.LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + messages.text(dump.IFNAME, wish.port)
    payload += messages.nested(dump.LINKINFO, messages.text(dump.SLAVE_KIND, "bridge"), flags)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(dump.SECONDS)
        netlink.send(messages.message(dump.NEW_LINK, messages.REQUEST | messages.ACKNOWLEDGE, payload))
        for _, _, _, told in messages.split(memoryview(netlink.recv(messages.BUFFER))):
            if (error := messages.refusal(told)) is not None:
                raise error


def _refused(what: str, error: OSError) -> model.Cannot:
    return model.Cannot(
        what,
        why=f"the kernel says {error.strerror or error}",
        hint="see that it has nftables of family bridge (CONFIG_NF_TABLES_BRIDGE), or give -o fullhost.antispoof=false",
        reason=model.Reason.MISSING if error.errno == errno.ENOENT else model.Reason.UNAVAILABLE,
    )
