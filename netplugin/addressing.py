"""Which address an endpoint gets, and which may never be given."""

import datetime
import ipaddress
from collections.abc import Iterator

from netplugin import inventory, ipv6, model, pairs

Address = ipaddress.IPv4Address
# From CreateEndpoint until the sandbox takes the veth: up to 27.x a whole process start lies between, and of thirty at
# once on a busy machine the last one took more than 20 s. An engine that answers says sooner what is gone.
GRACE = datetime.timedelta(seconds=120)


def decide(found: inventory.Record, network: model.Network) -> pairs.Pair:
    """Return what DNS gives a name and the network can give a machine; an AAAA record alone is enough."""
    six = ipv6.choose(found.name, found.addresses6, network)
    if six is not None and not found.addresses:
        return pairs.Pair(six=six)
    return pairs.Pair(four=choose(found.name, found.addresses, network), six=six)


def choose(name: str, answers: tuple[Address, ...], network: model.Network) -> Address:
    """Return the one address that DNS gives the name and that the network can give a machine.

    Of several records the only one that fits is taken; two that fit are refused, since nothing says which.
    """
    misfits = {answer: why for answer in answers if (why := misfit(answer, network))}
    fits = [answer for answer in answers if answer not in misfits]
    host = f"{name}.{network.domain}"
    if len(fits) == 1:
        return fits[0]
    if fits:
        why = f"DNS gives {host} {len(fits)} addresses of {network.subnet}: {', '.join(map(str, sorted(fits)))}"
        hint = "leave one A record in the zone"
    elif misfits:
        why = "; ".join(f"DNS gives {host} {answer}, {misfit}" for answer, misfit in misfits.items())
        hint = f"give {host} an A record with a free address of {network.subnet}"
    else:
        kinds = "A record" if network.subnet6 is None else "A and no AAAA record"
        why = f"the DNS server {network.dns} has no {kinds} for {host}"
        hint = f"add one to the zone {network.domain}, and try again"
    reason = model.Reason.INVALID if answers else model.Reason.MISSING
    raise model.Cannot(f"give {name} an address", why=why, hint=hint, reason=reason)


def supersedes(newcomer: model.Endpoint, holder: model.Endpoint, port: model.Port | None) -> bool:
    """Tell whether a new endpoint may take the address of the one that holds it.

    Never while a sandbox has the holder. A start that is under way is left alone too, unless it is of the same name:
    then it was given up, and its DeleteEndpoint never came.
    """
    if is_stale(holder, port, now=newcomer.created):
        return True
    return (
        port is not None
        and port.peer is model.Whereabouts.HERE
        and newcomer.name is not None
        and newcomer.name == holder.name
    )


def is_stale(
    endpoint: model.Endpoint,
    port: model.Port | None,
    *,
    now: datetime.datetime,
    grace: datetime.timedelta = GRACE,
) -> bool:
    """Tell whether an endpoint is of no live container.

    Its veth is gone, or came back from its sandbox, or no sandbox took it within the grace.
    """
    if port is None or (endpoint.left and port.peer is model.Whereabouts.HERE):
        return True
    return port.peer is model.Whereabouts.HERE and now - endpoint.created >= grace


def provisional(network: model.Network, taken: frozenset[pairs.Address]) -> Address:
    """Return a free address of the dynamic range, for an endpoint whose name is not known yet.

    `taken` has what endpoints hold and what the zone gives any name, so that it is never another name's.
    """
    for address in network.range:
        pair = lent(address, network)
        if taken.isdisjoint(pair) and can_have(pair, network):
            return address
    raise model.Cannot(
        "give the endpoint a provisional address",
        why=f"which container it is for cannot be told yet, and the range {network.range} has no free one",
        hint="name it: docker run --network name=NETWORK,driver-opt=fullhost.name=NAME, or fhv start NAME",
        reason=model.Reason.CONFLICT,
    )


def unlisted(network: model.Network, taken: frozenset[pairs.Address]) -> Iterator[Address]:
    """Yield the addresses for a name that is new in the zone: those beyond the dynamic range first."""
    free = [address for address in network.subnet if address not in taken and not misfit(address, network)]
    yield from (address for address in free if address not in network.range)
    yield from (address for address in free if address in network.range)


def lent(address: Address, network: model.Network) -> pairs.Pair:
    """Return a provisional address with what is lent beside it.

    Where names are registered it may stay, and has the IPv6 one with which it would be: then nobody is moved for that.
    """
    registers = network.unlisted is model.Unlisted.REGISTER
    return pairs.Pair(four=address, six=ipv6.beside(address, network) if registers else None)


def can_have(pair: pairs.Pair, network: model.Network) -> bool:
    """Tell whether the network can give a machine these addresses."""
    return not any(misfit(address, network) for address in pair)


def misfit(answer: pairs.Address, network: model.Network) -> str | None:
    """Return why the network can give no machine that address; None where it can."""
    if isinstance(answer, ipaddress.IPv6Address):
        return ipv6.misfit(answer, network)
    if answer not in network.subnet:
        return f"no address of {network.subnet}"
    reserved: dict[pairs.Address | None, str] = {
        network.address: "the bridge's own address",
        network.gateway: "the gateway's own address",
        network.subnet.broadcast_address: f"the broadcast address of {network.subnet}",
        network.subnet.network_address: f"the network address of {network.subnet}",
    }
    return reserved.get(answer)


def taken(name: str | None, holder: model.Endpoint, address: pairs.Address | None = None) -> model.Cannot:
    """Return the refusal of an address that a live endpoint holds."""
    of = holder.name or "a container whose name is not known yet"
    return model.Cannot(
        f"give {name} the address {address or holder.addresses}",
        why=f"the endpoint {holder.id[:12]} of {of} has it",
        hint=f"stop {of}, or give {name} another address in the zone",
        reason=model.Reason.CONFLICT,
    )


def same_mac(endpoint: model.Endpoint, other: model.Endpoint) -> model.Cannot:
    """Return the refusal of a hardware address that another one has."""
    return model.Cannot(
        f"give {endpoint.name} the address {endpoint.addresses}",
        why=f"its hardware address would be {endpoint.mac}, and {other.name or other.id[:12]} has that",
        hint=f"give {endpoint.name} another address in the zone, or an A record as well",
        reason=model.Reason.CONFLICT,
    )


def chosen(name: str | None, given: Address | None, own: Address | None, network: model.Network) -> model.Cannot:
    """Return the refusal of an address that the engine took from a pool of its own choice."""
    return model.Cannot(
        f"give {name} the address {given}, which the engine chose",
        why=f"DNS gives {name}.{network.domain} {own}, and on {network.subnet} the engine gives no address on demand",
        hint=f"make the network with --subnet {network.subnet}, or with --ipam-driver null -o fullhost.subnet=…",
        reason=model.Reason.CONFLICT,
    )


def unknown(verb: str, endpoint_id: str) -> model.Cannot:
    """Return the refusal of what is asked of an endpoint that nobody made, or that is gone."""
    return model.Cannot(
        f"{verb} the endpoint {endpoint_id[:12]}",
        why="the driver has no record of it",
        hint="start the container again",
        reason=model.Reason.MISSING,
    )
