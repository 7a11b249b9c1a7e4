"""The zone that is the inventory: look a name up, transfer it all (dnspython). Bounded in time, always."""

import collections
import ipaddress
from collections.abc import Iterable

import dns.exception
import dns.name
import dns.query
import dns.rdatatype
import dns.resolver
import dns.reversename
import dns.zone

from netplugin import deadline, inventory, model, nameserver, pairs, registration

LOOKUP_SECONDS = 2.0  # in all, with one repetition inside it
TRANSFER_SECONDS = 2.0
_DEFINITIONS = b"_fhv"  # below it, a name with an underscore as in RFC 8552, stand the definitions of machines


def addresses(host: str, network: model.Network) -> tuple[ipaddress.IPv4Address, ...]:
    """Return the A records of a host of the domain, none where it has none; CNAMEs are followed inside the zone.

    A CNAME that leads out of the zone is refused: who writes the other zone must not decide on our addresses.
    """
    return tuple(sorted(map(ipaddress.IPv4Address, _addresses(host, "A", network))))


def addresses6(host: str, network: model.Network) -> tuple[ipaddress.IPv6Address, ...]:
    """Return the AAAA records of a host of the domain likewise (RFC 3596)."""
    return tuple(sorted(map(ipaddress.IPv6Address, _addresses(host, "AAAA", network))))


def _addresses(host: str, kind: str, network: model.Network) -> list[str]:
    origin, what = _origin(network), f"look up {host}.{network.domain}"
    name, resolver = dns.name.from_text(host, origin), _resolver(network, what)
    try:
        answer = resolver.resolve(name, kind, search=False, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN as error:
        targets, found = {error.canonical_name}, []
    except dns.exception.DNSException as error:
        raise _unanswered(what, network, error) from error
    else:
        targets = {cname.target for chain in answer.chaining_result.cnames for cname in chain}
        found = [record.address for record in answer.rrset or ()]
    if strangers := {target for target in targets if not target.is_subdomain(origin)}:
        raise model.Cannot(
            f"give {host} an address",
            why=f"its CNAME leads to {min(strangers)}, out of {network.domain}",
            hint=f"write an {kind} record for {host}, or an alias of a name in {network.domain}",
        )
    return found


def records(network: model.Network) -> tuple[inventory.Record, ...]:
    """Transfer the zone (AXFR, RFC 5936) and return its names with their addresses in the network, of both versions."""
    return _records(_transfer(network), network)


def entries(network: model.Network) -> tuple[inventory.Entry, ...]:
    """Transfer the zone, and return its names with their addresses in the network and whose they are."""
    zone = _transfer(network)
    marks = _marks(zone)
    return tuple(
        inventory.Entry(name=record.name, addresses=record.all, owner=marks.get(record.name))
        for record in _records(zone, network)
    )


def owner(host: str, network: model.Network) -> str | None:
    """Return the driver whose mark a host of the domain bears; None where a person wrote it, or nobody."""
    what = f"look up whose {host}.{network.domain} is"
    resolver, name = _resolver(network, what), dns.name.from_text(host, _origin(network))
    try:
        answer = resolver.resolve(name, "TXT", search=False, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return None
    except dns.exception.DNSException as error:
        raise _unanswered(what, network, error) from error
    marks = (registration.owner(r.strings[0].decode("ascii", "backslashreplace")) for r in answer.rrset or ())
    return next(filter(None, marks), None)


def fleet(network: model.Network) -> inventory.Fleet:
    """Transfer the zone, and ask the PTR of each address that has several names.

    What a driver has registered is of a container that is there, and no machine that somebody wishes to have.
    """
    zone = _transfer(network)
    registered = _marks(zone)
    found = tuple(record for record in _records(zone, network) if record.name not in registered)
    return inventory.Fleet(
        serial=zone.get_soa().serial,
        records=found,
        pointers={address: name for address in _shared(found) if (name := pointer(address, network))},
        texts=dict(_texts(zone)),
    )


def _transfer(network: model.Network) -> dns.zone.Zone:
    zone, what = dns.zone.Zone(_origin(network)), f"transfer the zone {network.domain}"
    seconds = deadline.left(what, at_most=TRANSFER_SECONDS)
    try:
        dns.query.inbound_xfr(
            str(network.dns.address),
            zone,
            port=network.dns.port,
            timeout=seconds,
            lifetime=seconds,
        )
    except (dns.exception.DNSException, OSError) as error:
        raise _unanswered(what, network, error) from error
    return zone


def _origin(network: model.Network) -> dns.name.Name:
    return dns.name.from_text(network.domain)


def _resolver(network: model.Network, what: str) -> dns.resolver.Resolver:
    """Return a resolver of the network's server alone: neither resolv.conf nor a search list has a say."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [nameserver.Server(str(network.dns.address), network.dns.port)]
    resolver.lifetime = deadline.left(what, at_most=LOOKUP_SECONDS)
    resolver.timeout = resolver.lifetime / 2
    return resolver


def _records(zone: dns.zone.Zone, network: model.Network) -> tuple[inventory.Record, ...]:
    """Return the names of one label with what A and AAAA records they have in the network."""
    four = dict(_inside(zone, dns.rdatatype.A, network.subnet))
    six = {} if network.subnet6 is None else dict(_inside(zone, dns.rdatatype.AAAA, network.subnet6))
    return tuple(
        inventory.Record(
            name=name,
            addresses=tuple(sorted(map(ipaddress.IPv4Address, four.get(name, ())))),
            addresses6=tuple(sorted(map(ipaddress.IPv6Address, six.get(name, ())))),
        )
        for name in sorted(four.keys() | six.keys())
    )


def _inside(
    zone: dns.zone.Zone, kind: dns.rdatatype.RdataType, subnet: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> Iterable[tuple[str, list[str]]]:
    """Yield the names of one label with their addresses of a kind that are in the subnet, if there are any."""
    for name, rdataset in zone.iterate_rdatasets(kind):
        inside = [record.address for record in rdataset if ipaddress.ip_address(record.address) in subnet]
        if len(name) == 1 and name != dns.name.empty and not name.is_wild() and inside:
            yield name.to_text().lower(), inside


def _texts(zone: dns.zone.Zone) -> Iterable[tuple[str, tuple[tuple[str, ...], ...]]]:
    """Yield NAME and the TXT records of each `_fhv.NAME`; octets beyond ASCII come as escapes, for fhv to refuse."""
    for name, rdataset in zone.iterate_rdatasets(dns.rdatatype.TXT):
        if len(name) == 2 and name.labels[0].lower() == _DEFINITIONS:
            records = (tuple(octets.decode("ascii", "backslashreplace") for octets in r.strings) for r in rdataset)
            yield dns.name.Name(name.labels[1:]).to_text().lower(), tuple(sorted(records))


def _marks(zone: dns.zone.Zone) -> dict[str, str]:
    """Return the names that bear the mark of a driver, each with the driver."""
    return {
        name.to_text().lower(): owner
        for name, rdataset in zone.iterate_rdatasets(dns.rdatatype.TXT)
        for record in rdataset
        if (owner := registration.owner(record.strings[0].decode("ascii", "backslashreplace")))
    }


def _shared(records: tuple[inventory.Record, ...]) -> list[pairs.Address]:
    given = collections.Counter(address for record in records for address in record.all)
    return [address for address, names in given.items() if names > 1]


def pointer(address: pairs.Address, network: model.Network) -> str | None:
    """Return the name in the domain that the PTR record of the address gives; None where there is no such."""
    what = f"look up the name of {address}"
    resolver = _resolver(network, what)
    try:
        answer = resolver.resolve(dns.reversename.from_address(str(address)), "PTR", search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.NoNameservers):
        return None  # the last one: the server has no such zone; who needs the name says that it is missing
    except dns.exception.DNSException as error:
        raise _unanswered(what, network, error) from error
    origin = _origin(network)
    inside = [record.target for record in answer if record.target.is_subdomain(origin)]
    return inside[0].relativize(origin).to_text().lower() if inside else None


def _unanswered(what: str, network: model.Network, error: Exception) -> model.Cannot:
    return model.Cannot(
        what,
        why=f"the DNS server {network.dns} {nameserver.silence(error)}",
        hint=f"see that it runs and serves {network.domain} (dig @{network.dns.address} -p {network.dns.port})",
        reason=model.Reason.UNAVAILABLE,
    )
