"""The rules for what machines send, as text: one nft table of family bridge, in which each machine has its elements.

A frame is looked up by all that it says of its sender at once: the port by which it comes, the hardware address and the
address. That comes first, since nearly all frames are right, and after one comparison, which is all that the ports of
others pay.
"""

import enum
import hashlib

TABLE, STOPPED = "fullhost", "stopped"
_OURS = "fh*"  # so begin the host ends of the driver's pairs (netplugin.naming); others may, and are looked up


class Why(enum.StrEnum):
    """Why a frame was stopped; the number of each is the packet mark with which the kernel counts it."""

    HARDWARE = "hardware"  # its source is another hardware address
    IPV4 = "ipv4"  # its source is another IPv4 address, or none (a DHCP client's)
    IPV6 = "ipv6"
    ARP = "arp"  # its sender is another, or it probes for another's address
    NEIGHBOUR = "neighbour"  # the same by IPv6
    ROUTER = "router"  # it says that it is a router (RFC 6105), or knows a better one
    DHCP = "dhcp"  # it answers as a DHCP server does (RFC 7610)
    PROTOCOL = "protocol"  # it is neither IP nor ARP: a VLAN's tag, a spanning tree, PPPoE, ...

    @property
    def sentence(self) -> str:
        """What such a frame does."""
        return _SENTENCES[self]

    @property
    def mark(self) -> int:
        """The packet mark; 0 is that of what nobody has marked."""
        return list(Why).index(self) + 1


_SENTENCES = {
    Why.HARDWARE: "frames from another hardware address",
    Why.IPV4: "IPv4 packets from another address",
    Why.IPV6: "IPv6 packets from another address",
    Why.ARP: "ARP for another's address",
    Why.NEIGHBOUR: "neighbour discovery for another's address",
    Why.ROUTER: "router advertisements or redirects",
    Why.DHCP: "answers of a DHCP server",
    Why.PROTOCOL: "frames that are neither IP nor ARP",
}


def _stop(why: Why) -> str:
    return f"meta mark set {why.mark} goto stop"


def ruleset() -> str:
    """Return the table as one nft transaction, whatever was there before; without elements it stops nobody.

    It uses what every kernel with nftables of family bridge has: no connection tracking, no reject, no bridge's name.
    A frame's type is told by the octets of its header (`ether type`): to the kernel itself, a frame with a VLAN's tag
    is of the type that is tagged. A fragment that is not the first has no port, and is let through; who gets it does
    not put it together without the first one (RFC 7112, RFC 6980). What a host asks before it has an address is let
    through for the machine's own: the DAD of IPv6 (RFC 4862), multicast reports (RFC 3590), and ARP's probe (RFC 5227);
    a probe of another's address would have that one believe in a conflict. Engines from 28.0 on announce a container
    by a request from no address for no address, which says nothing and harms nobody (three times at each start).
    """
    return f"""\
add table bridge {TABLE}
delete table bridge {TABLE}
table bridge {TABLE} {{
  set ports {{ type ifname; }}
  set hosts {{ type ifname . ether_addr; }}
  set owners {{ typeof iifname . @th,208,48; }}
  set inet4 {{ type ifname . ether_addr . ipv4_addr; }}
  set inet6 {{ type ifname . ether_addr . ipv6_addr; }}
  set senders {{ type ifname . ether_addr . ether_addr . ipv4_addr; }}
  set targets {{ typeof iifname . ether saddr . @th,64,128; }}
  set {STOPPED} {{ typeof iifname . meta mark; size 65535; flags dynamic; counter; }}
  chain stop {{
    add @{STOPPED} {{ iifname . meta mark }} drop
  }}
  chain stranger {{
    iifname . ether saddr != @hosts {_stop(Why.HARDWARE)}
    ether type ip {_stop(Why.IPV4)}
    ether type arp {_stop(Why.ARP)}
    ether type ip6 {_stop(Why.IPV6)}
    {_stop(Why.PROTOCOL)}
  }}
  chain voiceless {{
    iifname . arp saddr ether @hosts accept
  }}
  chain arping {{
    arp hlen != 6 {_stop(Why.ARP)}
    arp plen != 4 {_stop(Why.ARP)}
    arp operation != {{ request, reply }} {_stop(Why.ARP)}
    iifname . ether saddr . arp saddr ether . arp saddr ip @senders accept
    arp operation request arp saddr ip 0.0.0.0 iifname . ether saddr . arp saddr ether . arp daddr ip @senders accept
    arp operation request arp saddr ip 0.0.0.0 arp daddr ip 0.0.0.0 iifname . ether saddr @hosts jump voiceless
    goto stranger
  }}
  chain first4 {{
    udp sport 67 {_stop(Why.DHCP)}
    accept
  }}
  chain neighbouring {{
    icmpv6 type nd-neighbor-solicit @th,192,8 != 1 {_stop(Why.NEIGHBOUR)}
    icmpv6 type nd-neighbor-advert @th,192,8 != 2 {_stop(Why.NEIGHBOUR)}
    iifname . @th,208,48 != @owners {_stop(Why.NEIGHBOUR)}
    icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,128 != @targets {_stop(Why.NEIGHBOUR)}
    accept
  }}
  chain first6 {{
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} goto neighbouring
    icmpv6 type {{ nd-router-advert, nd-redirect }} {_stop(Why.ROUTER)}
    udp sport 547 {_stop(Why.DHCP)}
    accept
  }}
  chain unspecified {{
    iifname . ether saddr != @hosts {_stop(Why.HARDWARE)}
    icmpv6 type nd-neighbor-solicit iifname . ether saddr . @th,64,128 @targets accept
    icmpv6 type nd-neighbor-solicit {_stop(Why.NEIGHBOUR)}
    icmpv6 type {{ mld-listener-report, mld-listener-done, mld2-listener-report, nd-router-solicit }} accept
    {_stop(Why.IPV6)}
  }}
  chain port {{
    ether type arp goto arping
    ether type ip6 ip6 saddr :: goto unspecified
    goto stranger
  }}
  chain prerouting {{
    type filter hook prerouting priority filter; policy accept;
    iifname != "{_OURS}" accept
    ether type ip iifname . ether saddr . ip saddr @inet4 goto first4
    ether type ip6 iifname . ether saddr . ip6 saddr @inet6 goto first6
    iifname @ports goto port
  }}
}}
"""


def seal(listed: str) -> str:
    """Return the name of the chain that seals the table: of what was wished, and what the kernel lists of it."""
    lines = [ruleset(), *filter(None, listed.splitlines())]
    return "sealed-" + hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
