"""What no network can be made of, refused with the command to type instead."""

import ipaddress
from collections.abc import Mapping

from netplugin import model, options

_BROKEN_ENGINES = frozenset({"29.0.0", "29.0.1", "29.0.2"})
# The pools of which an engine chooses one, and the prefix of each (libnetwork/ipamutils).
_POOLS = (*((f"172.{n}.0.0/16", 16) for n in range(17, 32)), ("192.168.0.0/16", 20))
_CREATE = "docker network create -d fullhost --ipam-driver null [-o fullhost.KEY=VALUE …] NAME"


def refuse_unserved(*, pools: tuple[str, ...], reserved: bool, ipv4: bool, ipv6: bool, internal: bool) -> None:
    """Refuse what this driver does not do, each with the command to type instead."""
    if len(pools) != 1 or not ipv4:
        why = "a network has one IPv4 subnet here, no more and no less"
    elif reserved:
        why = "addresses are reserved in the zone here (--aux-address): a name with an A record has its own"
    elif ipv6:
        why = f"IPv6 comes with -o {options.PREFIX}subnet6=PREFIX here, and without --ipv6"
    elif internal:
        why = "a network without a way out (--internal) is not served yet"
    else:
        return
    raise model.Cannot("make the network", why=why, hint=f"type: {_CREATE}")


def is_choice(pool: str, given: Mapping[str, str], pools: tuple[tuple[str, int], ...]) -> bool:
    """Tell whether the engine may have chosen a pool itself; `pools` are those of its settings."""
    return given.get(f"{options.PREFIX}subnet") != pool and any(_is_part(pool, *of) for of in (*_POOLS, *pools))


def refuse_choice(network: model.Network) -> None:
    """Refuse a pool that the engine chose, unless its addresses are registered in the zone."""
    if network.ipam is not model.Ipam.CHOSEN or network.unlisted is model.Unlisted.REGISTER:
        return
    pool = network.subnet
    raise model.Cannot(
        "make the network",
        why=f"the engine chose the subnet {pool} and would choose the addresses, and here DNS does",
        hint=f"type: {_CREATE}, or add --subnet; where {pool} is your own choice, add -o {options.PREFIX}subnet={pool}",
    )


def refuse_engine(version: str) -> None:
    """Refuse the engines that fall over a network of a remote driver."""
    if version.partition("+")[0] in _BROKEN_ENGINES:
        raise model.Cannot(
            f"make the network on engine {version}",
            why="this version panics when a container leaves a network of any remote driver (moby#51554)",
            hint="upgrade the engine to 29.0.3 or later",
        )


def _is_part(pool: str, base: str, prefix: int) -> bool:
    """Tell whether an engine cuts the pool out of the base."""
    subnet, whole = ipaddress.ip_network(pool), ipaddress.ip_network(base)
    return (
        isinstance(subnet, ipaddress.IPv4Network)
        and isinstance(whole, ipaddress.IPv4Network)
        and subnet.prefixlen == prefix
        and subnet.subnet_of(whole)
    )
