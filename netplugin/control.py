"""Use cases behind fhv: what the driver knows, and what DNS says, as JSON-ready answers."""

import dataclasses
import datetime
import typing
from collections.abc import Callable, Iterator, Mapping

from netplugin import addressing, binding, inventory, ipv6, model, naming, pins, store

Json = Mapping[str, object]


class Links(typing.Protocol):
    """What is asked of the kernel (netplugin.links)."""

    def forwarding(self, bridge: str) -> bool: ...
    def forwarding6(self) -> bool: ...


class Zone(typing.Protocol):
    """What is asked of DNS (netplugin.zone)."""

    def addresses(self, host: str, network: model.Network) -> tuple[addressing.Address, ...]: ...
    def addresses6(self, host: str, network: model.Network) -> tuple[ipv6.Address, ...]: ...
    def fleet(self, network: model.Network) -> inventory.Fleet: ...


class Engine(typing.Protocol):
    """What is asked of the engine (netplugin.engine)."""

    def network_name(self, network_id: str) -> str: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """The driver's own calls; they change nothing."""

    store: store.Store
    links: Links
    zone: Zone
    engine: Engine
    counters: Callable[[], Mapping[str, int]]
    stopped: Callable[[], tuple[tuple[model.Endpoint, pins.Stopped], ...]]
    told: Mapping[str, str]
    version: str
    pid: int
    started: datetime.datetime

    def status(self) -> Json:
        """Return everything that the driver knows: networks, endpoints with the rung that named each, counters."""
        networks = self.store.networks()
        leases = {(bound.network_id, bound.name): bound for bound in self.store.bindings()}
        return {
            "version": self.version,
            "pid": self.pid,
            "started": self.started.isoformat(timespec="seconds"),
            "networks": [self._network(network) for network in networks],
            "endpoints": [_endpoint(e, leases.get((e.network_id, e.name or ""))) for e in self.store.endpoints()],
            "counters": dict(self.counters()),
            "stopped": [_stopped(endpoint, found) for endpoint, found in self.stopped()],
            "warnings": [
                *self.told.values(),
                *(warning for network in networks for warning in self._warnings(network)),
            ],
        }

    def fleet(self, network_id: str) -> Json:
        """Return the zone of a network as the inventory (AXFR), the PTR of shared addresses, the TXT of _fhv.NAME."""
        network = self.store.network(network_id)
        fleet = self.zone.fleet(network)
        return {
            "domain": network.domain,
            "gateway": str(network.gateway),
            "subnet": str(network.subnet),
            "serial": fleet.serial,
            "subnet6": _text(network.subnet6),
            "gateway6": _text(network.gateway6),
            "records": [
                {"name": record.name, "addresses": [str(address) for address in record.all]} for record in fleet.records
            ],
            "pointers": {str(address): name for address, name in fleet.pointers.items()},
            "texts": fleet.texts,
        }

    def record(self, network_id: str, name: str) -> Json:
        """Return the addresses that DNS gives a name now, by the rules of an endpoint; one of the two may be none."""
        network = self.store.network(network_id)
        host = naming.label(name, domain=network.domain)
        given = addressing.decide(ipv6.look_up(self.zone, host, network), network)
        return {"name": host, "address": _text(given.four), "address6": _text(given.six)}

    def _network(self, network: model.Network) -> Json:
        return {
            "id": network.id,
            "name": self._name(network.id),
            "bridge": network.bridge,
            "bridge_made": network.bridge_made,
            "subnet": str(network.subnet),
            "gateway": str(network.gateway),
            "domain": network.domain,
            "dns": {"address": str(network.dns.address), "port": network.dns.port},
            "snat": network.snat,
            "subnet6": _text(network.subnet6),
            "gateway6": _text(network.gateway6),
            "snat6": network.snat6,
            "mtu": network.mtu,
            "uplink": network.uplink,
            "address": _text(network.address),
            "range": str(network.range),
            "stale": network.stale,
            "unlisted": network.unlisted,
            "antispoof": network.antispoof,
            "isolate": network.isolate,
        }

    def _name(self, network_id: str) -> str | None:
        try:
            return self.engine.network_name(network_id)
        except model.Cannot:
            return None

    def _warnings(self, network: model.Network) -> Iterator[str]:
        if network.routed_here and not self.links.forwarding(network.bridge):
            yield (
                f"machines cannot reach the world: the kernel does not forward what comes in by {network.bridge}; "
                "let the engine turn forwarding on (ip-forward in daemon.json), or set net.ipv4.ip_forward=1"
            )
        if network.subnet6 is not None and not self.links.forwarding6():
            yield (
                f"machines cannot reach the world by IPv6: the kernel forwards none of {network.subnet6}; set "
                "net.ipv6.conf.all.forwarding=1, first net.ipv6.conf.UPLINK.accept_ra=2 where the host has its route "
                "from router advertisements, and see that the policy of ip6tables FORWARD is DROP"
            )


def _text(thing: object) -> str | None:
    return None if thing is None else str(thing)


def _endpoint(endpoint: model.Endpoint, bound: binding.Binding | None) -> Json:
    return {
        "id": endpoint.id,
        "network": endpoint.network_id,
        "name": endpoint.name,
        "address": _text(endpoint.address),
        "address6": _text(endpoint.address6),
        "mac": endpoint.mac,
        "veth": naming.veth(endpoint.id).host,
        "rung": endpoint.rung,
        "source": endpoint.source,
        "settled": endpoint.settled,
        "joined": endpoint.sandbox is not None,
        "antispoof": endpoint.antispoof,
        "lease": _lease(bound) if bound is not None and bound.address == endpoint.address else None,
        "created": endpoint.created.isoformat(timespec="seconds"),
    }


def _lease(bound: binding.Binding) -> Json:
    return {
        "server": str(bound.server),
        "mac": bound.mac,
        "obtained": bound.obtained.isoformat(timespec="seconds"),
        "expires": bound.expires.isoformat(timespec="seconds"),
    }


def _stopped(endpoint: model.Endpoint, found: pins.Stopped) -> Json:
    return {
        "endpoint": endpoint.id,
        "name": endpoint.name,
        "why": found.why,
        "what": found.why.sentence,
        "frames": found.count,
    }
