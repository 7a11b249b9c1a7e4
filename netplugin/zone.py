"""The zone that is the inventory: look a name up, transfer it all (dnspython). Bounded in time, always."""

import ipaddress
from collections.abc import Iterable

import dns.exception
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.reversename
import dns.zone

from netplugin import model

LOOKUP_SECONDS = 2.0  # in all, with one repetition inside it
TRANSFER_SECONDS = 2.0


def addresses(host: str, network: model.Network) -> tuple[ipaddress.IPv4Address, ...]:
    """Return the A records of a host of the domain, none where it has none; CNAMEs are followed inside the zone.

    A CNAME that leads out of the zone is refused: who writes the other zone must not decide on our addresses.
    """
    origin = _origin(network)
    name = dns.name.from_text(host, origin)
    try:
        answer = _resolver(network).resolve(name, "A", search=False, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN as error:
        targets, found = {error.canonical_name}, []
    except dns.exception.DNSException as error:
        raise _unanswered(f"look up {host}.{network.domain}", network, error) from error
    else:
        targets = {cname.target for chain in answer.chaining_result.cnames for cname in chain}
        found = [record.address for record in answer.rrset or ()]
    if strangers := {target for target in targets if not target.is_subdomain(origin)}:
        raise model.Cannot(
            f"give {host} an address",
            why=f"its CNAME leads to {min(strangers)}, out of {network.domain}",
            hint=f"write an A record for {host}, or an alias of a name in {network.domain}",
        )
    return tuple(sorted(map(ipaddress.IPv4Address, found)))


def records(network: model.Network) -> tuple[model.Record, ...]:
    """Transfer the zone (AXFR, RFC 5936) and return its names with their addresses in the subnet."""
    return _records(_transfer(network), network)


def fleet(network: model.Network) -> model.Fleet:
    """Transfer the zone, and ask the PTR of each address that has several names."""
    zone = _transfer(network)
    found = _records(zone, network)
    return model.Fleet(
        serial=zone.get_soa().serial,
        records=found,
        pointers={address: name for address in _shared(found) if (name := _pointer(address, network))},
    )


def _transfer(network: model.Network) -> dns.zone.Zone:
    zone = dns.zone.Zone(_origin(network))
    try:
        dns.query.inbound_xfr(
            str(network.dns.address),
            zone,
            port=network.dns.port,
            timeout=TRANSFER_SECONDS,
            lifetime=TRANSFER_SECONDS,
        )
    except (dns.exception.DNSException, OSError) as error:
        raise _unanswered(f"transfer the zone {network.domain}", network, error) from error
    return zone


def _origin(network: model.Network) -> dns.name.Name:
    return dns.name.from_text(network.domain)


def _resolver(network: model.Network) -> dns.resolver.Resolver:
    """Return a resolver of the network's server alone: neither resolv.conf nor a search list has a say."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [str(network.dns.address)]
    resolver.port = network.dns.port
    resolver.timeout = LOOKUP_SECONDS / 2
    resolver.lifetime = LOOKUP_SECONDS
    return resolver


def _records(zone: dns.zone.Zone, network: model.Network) -> tuple[model.Record, ...]:
    return tuple(sorted(_inside(zone, network), key=lambda record: record.name))


def _inside(zone: dns.zone.Zone, network: model.Network) -> Iterable[model.Record]:
    """Yield the names of one label with what A records they have in the subnet."""
    for name, rdataset in zone.iterate_rdatasets(dns.rdatatype.A):
        inside = sorted(a for r in rdataset if (a := ipaddress.IPv4Address(r.address)) in network.subnet)
        if len(name) == 1 and name != dns.name.empty and not name.is_wild() and inside:
            yield model.Record(name=name.to_text().lower(), addresses=tuple(inside))


def _shared(records: tuple[model.Record, ...]) -> list[ipaddress.IPv4Address]:
    given = [address for record in records for address in record.addresses]
    return sorted({address for address in given if given.count(address) > 1})


def _pointer(address: ipaddress.IPv4Address, network: model.Network) -> str | None:
    """Return the name in the domain that the PTR record of the address gives; None where there is no such."""
    try:
        answer = _resolver(network).resolve(dns.reversename.from_address(str(address)), "PTR", search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.NoNameservers):
        return None  # the last one: the server has no such zone; who needs the name says that it is missing
    except dns.exception.DNSException as error:
        raise _unanswered(f"look up the name of {address}", network, error) from error
    origin = _origin(network)
    inside = [record.target for record in answer if record.target.is_subdomain(origin)]
    return inside[0].relativize(origin).to_text().lower() if inside else None


def _unanswered(what: str, network: model.Network, error: Exception) -> model.Cannot:
    return model.Cannot(
        what,
        why=f"the DNS server {network.dns} {_said(error)}",
        hint=f"see that it runs and serves {network.domain} (dig @{network.dns.address} -p {network.dns.port})",
        reason=model.Reason.UNAVAILABLE,
    )


def _said(error: Exception) -> str:
    """Return what the server did instead of answering, in one short sentence."""
    match error:
        case dns.resolver.LifetimeTimeout() | dns.exception.Timeout():
            return "did not answer in time"
        case dns.resolver.NoNameservers():
            codes = {dns.rcode.to_text(answer[4].rcode()) for answer in error.kwargs["errors"] if answer[4]}
            return f"answered {', '.join(sorted(codes)) or 'nothing that can be read'}"
        case ConnectionRefusedError():
            return "is not there (connection refused)"
        case _:
            return f"gave no usable answer ({str(error)[:120] or type(error).__name__})"
