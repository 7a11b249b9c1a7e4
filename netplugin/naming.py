"""Names that follow from other names: machines, interfaces, tables, hardware addresses."""

import hashlib
import ipaddress
import re

from netplugin import model, pairs

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# dev_valid_name() of the kernel forbids '/', ':' and white space; fewer characters keep nft and iptables at ease.
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")
_VETH, _CLIENT = re.compile(r"fh([0-9a-f]{12})[hc]"), re.compile(r"fl([0-9a-f]{12})[hc]")


def label(text: str, *, domain: str) -> str:
    """Return the name as a DNS label (RFC 1123 section 2.1, RFC 1035 section 2.3.4), in lower case.

    A name given with the domain loses it: `web.local` is `web` in `local`.
    """
    name = text.lower().removesuffix(f".{domain}")
    if _LABEL.fullmatch(name) and len(name) + len(domain) < 253:
        return name
    raise model.Cannot(
        f"name a machine {text[:80]!r}",
        why=f"a name in {domain} is 1 to 63 letters, digits and inner hyphens (RFC 1123), 253 with it",
        hint="give the container such a --name, or one in driver-opt=fullhost.name=NAME",
    )


def domain(text: str) -> str:
    """Return the domain in lower case without a final dot; ValueError where a label of it is none."""
    name = text.lower().removesuffix(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(part) for part in name.split(".")):
        raise ValueError("a domain is labels of letters, digits and inner hyphens, joined by dots (RFC 1123)")
    return name


def interface(text: str) -> str:
    """Return the name of an interface; ValueError where the kernel or a rule could not bear it."""
    if not _INTERFACE.fullmatch(text) or _VETH.fullmatch(text) or is_client(text) or text in {"all", "default"}:
        raise ValueError("an interface is a letter and up to 14 letters, digits, dots, hyphens, underscores")
    return text


def bridge(network_id: str) -> str:
    """Return the name of a bridge of the network's own: as Docker's, of 15 characters."""
    return f"br-{network_id[:12]}"


def veth(endpoint_id: str) -> model.Veth:
    """Return the names of the endpoint's pair: 15 characters, the most that IFNAMSIZ allows."""
    return model.Veth(host=f"fh{endpoint_id[:12]}h", peer=f"fh{endpoint_id[:12]}c")


def is_host_end(interface_name: str) -> bool:
    """Tell whether an interface bears the name of a host end, which only this driver gives."""
    return _VETH.fullmatch(interface_name) is not None and interface_name.endswith("h")


def client(network_id: str, name: str) -> model.Veth:
    """Return the names of the pair by which a DHCP client asks for a machine's address, while it does."""
    digest = hashlib.sha256(f"{network_id} {name}".encode()).hexdigest()[:12]
    return model.Veth(host=f"fl{digest}h", peer=f"fl{digest}c")


def is_client_port(interface_name: str) -> bool:
    """Tell whether it is the end that is a port of a bridge."""
    return is_client(interface_name) and interface_name.endswith("h")


def is_client(interface_name: str) -> bool:
    """Tell whether an interface bears the name of either end of a DHCP client's pair."""
    return _CLIENT.fullmatch(interface_name) is not None


def client_mac(owner: str, network: model.Network, name: str, *, attempt: int = 0) -> str:
    """Return the hardware address by which a DHCP server knows a machine: 02:68, and some of a digest.

    It is not the machine's own: Kea sends its answers to that one, whatever is asked for, and the bridge would
    take them to the machine while it runs. It follows from driver, subnet and name, so that what is reserved for it on
    the server outlives container and network, and no two hosts on a segment have one.
    """
    text = f"{owner} {network.subnet} {name} {attempt}"
    return ":".join(("02", "68", *re.findall("..", hashlib.sha256(text.encode()).hexdigest()[:8])))


def mac(address: pairs.Address) -> str:
    """Return the hardware address of an IPv4 address: locally administered, unicast, 02:66 and the address.

    Of an IPv6 address, which somebody has alone, it is 06 and 40 bits of a hash: that is as local, and none of the
    others, which begin with 02 or fe. The address's last octets would not do: fd00:31::2 and fd00:31::1:0:2 have the
    same. Of a thousand machines two have one hash in one network of two million; the second one is refused.
    It follows from the address, so that the neighbours' caches stay right when a machine starts again; and it
    is no 02:42, with which Docker's own bridges begin theirs.
    """
    hashed = b"\x06" + hashlib.sha256(address.packed).digest()[:5]
    octets = b"\x02\x66" + address.packed if address.version == 4 else hashed
    return ":".join(f"{octet:02x}" for octet in octets)


def bridge_mac(network: model.Network) -> str:
    """Return the hardware address of a bridge to make: of its own address, else 02:67 and some of the network's id.

    The gateway's would not do there: on a LAN several hosts have a bridge with the same one.
    """
    if network.address is not None:
        return mac(network.address)
    return ":".join(("02", "67", *(network.id[at : at + 2] for at in range(0, 8, 2))))


def claimed(hardware: str, subnet: ipaddress.IPv4Network) -> ipaddress.IPv4Address | None:
    """Return the address of the subnet that a hardware address follows from, None where it follows from none."""
    octets = bytes.fromhex(hardware.replace(":", ""))
    address = ipaddress.IPv4Address(octets[2:])
    return address if octets[:2] == b"\x02\x66" and address in subnet else None


def port_mac(gateway: ipaddress.IPv4Address) -> str:
    """Return the hardware address of every host end on the gateway's bridge: high, and the same for all.

    A bridge that stood before, and that nobody gave a hardware address, takes the lowest of its ports: with this one
    it stays the same whoever comes and goes, and lower ones, of a real interface, go before it. That several ports
    have it is fine with the kernel (fdb_add_local in net/bridge/br_fdb.c).
    """
    return mac(gateway).replace("02:66", "fe:66", 1)


def table(network_id: str) -> str:
    """Return the name of the network's nft table."""
    return f"fullhost-{network_id[:12]}"


def mark(network_id: str) -> str:
    """Return the comment by which our own rules are known in chains that others own."""
    return f"fullhost:{network_id[:12]}"
