"""What is wrong here, and what mends it: the engine, the driver, the network, DNS and this host, looked at in turn."""

import dataclasses
import ipaddress
import typing
from collections.abc import Callable, Iterator

from launcher import findings, fleet, inventory, listed, model, pairs
from launcher.findings import Finding, Verdict

_OLDEST = (20, 10)  # of the engines that fullhost is tried on
_BROKEN = ("29.0.0", "29.0.1", "29.0.2")  # moby #51554: they panic when a container leaves a remote driver's network


class Engine(typing.Protocol):
    """What is asked of the engine."""

    def host(self) -> model.Host: ...
    def network_id(self, name: str) -> str: ...
    def machines(self) -> tuple[model.Machine, ...]: ...


class Driver(typing.Protocol):
    """What is asked of the driver."""

    def status(self) -> model.DriverStatus: ...
    def zone(self, network: str) -> inventory.Zone: ...
    def record(self, network: str, name: str) -> pairs.Pair: ...
    def entries(self, network: str) -> tuple[listed.Entry, ...]: ...
    def updates(self, network: str) -> listed.Updates: ...


class Surroundings(typing.Protocol):
    """What is asked of this host (launcher.surroundings)."""

    def routes(self) -> tuple[tuple[ipaddress.IPv4Network, str], ...]: ...
    def closed(self, bridge: str) -> tuple[tuple[str, str], ...] | None: ...
    def instances(self) -> int | None: ...
    def asks_mdns_first(self) -> bool: ...
    def gives_turns(self) -> bool: ...
    def address_of(self, host: str) -> pairs.Address | None: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Doctor:
    """The examination, and whom it asks; `version` is fhv's own, `network` the name of the machines' network.

    `engine` reaches the engine, which may be what is broken; `ordered` tells whether machines wait for their turns at
    boot.
    """

    engine: Callable[[], Engine]
    driver: Driver
    host: Surroundings
    network: str
    version: str
    ordered: bool = False

    def examine(self) -> tuple[Finding, ...]:
        """Look at everything; what cannot be looked at because something before it is broken is left out."""
        found: list[Finding] = []
        number = self._look_at_engine(found)
        network = self._look_at_driver(found, number)
        if network is not None:
            names = self._look_at_zone(found, network)
            self._look_around(found, network, names)
        return tuple(found)

    def _look_at_engine(self, found: list[Finding]) -> str | None:
        """Return the id of the machines' network, if the engine has it."""
        check = "engine"
        try:
            engine = self.engine()
            found.append(_of_engine(engine.host()))
            found.extend(_of_machines(engine.machines()))
            check = "network"
            return engine.network_id(self.network)
        except model.Cannot as error:
            found.append(findings.broken(check, error))
            return None

    def _look_at_driver(self, found: list[Finding], number: str | None) -> model.Network | None:
        """Return the machines' network as the driver has it, if it does."""
        try:
            status = self.driver.status()
        except model.Cannot as error:
            found.append(findings.broken("driver", error))
            return None
        found.extend(_of_driver(status, self.version))
        network = next((network for network in status.networks if network.id == number), None)
        if number is not None:
            found.append(_of_network(self.network, network))
        return network

    def _look_at_zone(self, found: list[Finding], network: model.Network) -> tuple[str, ...]:
        """Return the machines' names: from the zone as it is transferred, with one of them looked up."""
        try:
            known = fleet.decide(self.driver.zone(network.id))
            for name in tuple(known.members)[:1]:
                self.driver.record(network.id, name)
        except model.Cannot as error:
            found.append(findings.broken("zone", error))
            return ()
        told = f"{network.domain}: {len(known.members)} machines, from {network.dns} port {network.dns_port}"
        found.append(Finding(check="zone", verdict=Verdict.OK, found=told))
        found += [
            Finding(check="zone", verdict=Verdict.WARNING, found=str(refusal), mend=refusal.hint)
            for refusal in known.refused.values()
        ]
        try:
            found.extend(findings.of_pointers(self.driver.entries(network.id), network.domain))
            found.extend(findings.of_updates(self.driver.updates(network.id)))
        except model.Cannot as error:
            found.append(findings.broken("updates", error))
        return tuple(known.members)

    def _look_around(self, found: list[Finding], network: model.Network, names: tuple[str, ...]) -> None:
        try:
            found.extend(findings.of_instances(self.host.instances()))
            found.append(_of_routes(network, self.host.routes()))
            found.extend(_of_firewall(network, self.host.closed(network.bridge)))
            found.extend(findings.of_turns(given=not self.ordered or self.host.gives_turns()))
            for name in names[:1]:
                full = f"{name}.{network.domain}"
                first = network.domain == "local" and self.host.asks_mdns_first()
                found.append(_of_resolver(full, self.host.address_of(full), network=network, mdns_first=first))
        except model.Cannot as error:
            found.append(findings.broken("host", error))


def _of_engine(host: model.Host) -> Finding:
    told = f"{host.version}, cgroup v{host.cgroup}, firewall {host.firewall}"
    told += ", live-restore" if host.live_restore else ""
    number = host.version.partition("+")[0]
    if number in _BROKEN:
        why, mend = "panics when a container leaves the network (moby#51554)", "upgrade the engine to 29.0.3 or later"
    elif host.engine < _OLDEST:
        why, mend = "fullhost needs 20.10 or later", "upgrade the engine"
    elif host.rootless:
        why, mend = "it is rootless, and the driver's bridges are the host's", "use an engine that runs as root"
    else:
        return Finding(check="engine", verdict=Verdict.OK, found=told)
    return Finding(check="engine", verdict=Verdict.BROKEN, found=f"{told}: {why}", mend=mend)


def _of_machines(machines: tuple[model.Machine, ...]) -> Iterator[Finding]:
    """Tell of machines whose init ends again and again; the others are `fhv list`'s."""
    for machine in machines:
        if machine.state is model.State.RESTARTING:
            told = f"{machine.name} ends again and again ({machine.restarts} times, exit code {machine.exit_code})"
            yield Finding(check="machine", verdict=Verdict.WARNING, found=told, mend=f"fhv logs {machine.name}")


def _of_driver(status: model.DriverStatus, version: str) -> Iterator[Finding]:
    same = status.version == version
    yield Finding(
        check="driver",
        verdict=Verdict.OK if same else Verdict.WARNING,
        found=f"{status.version}, endpoints: {len(status.endpoints)}" + ("" if same else f", and fhv is {version}"),
        mend="" if same else "restart the driver: systemctl restart fullhost (without systemd: install.sh)",
    )
    for warning in status.warnings:
        found, _, mend = warning.rpartition("; ")
        yield Finding(check="driver", verdict=Verdict.BROKEN, found=found or warning, mend=mend if found else "")


def _of_network(name: str, network: model.Network | None) -> Finding:
    if network is None:
        return Finding(
            check="network",
            verdict=Verdict.BROKEN,
            found=f"the engine has the network {name}, and the driver does not know it (was its state file removed?)",
            mend=f"docker network rm {name}, and create it again",
        )
    snat = "SNAT" if network.snat else "routed" if network.address == network.gateway else "on the LAN"
    snat += f" by {network.uplink}" if network.uplink else ""
    found = f"{name}: {' and '.join(_subnets(network))} on {network.bridge}, gateway {network.gateway}, {snat}"
    return Finding(check="network", verdict=Verdict.OK, found=found)


def _subnets(network: model.Network) -> tuple[str, ...]:
    return tuple(filter(None, (str(network.subnet), network.subnet6)))


def _of_routes(network: model.Network, routes: tuple[tuple[ipaddress.IPv4Network, str], ...]) -> Finding:
    if network.address is None:
        found = f"{network.bridge} bears no address: this host is on {network.subnet} as any other is, or not at all"
        return Finding(check="routes", verdict=Verdict.OK, found=found)
    for destination, device in routes:
        if device != network.bridge and destination.overlaps(network.subnet):
            return Finding(
                check="routes",
                verdict=Verdict.BROKEN,
                found=f"{destination} is reached by {device}, and {network.subnet} is the machines'",
                mend=f"ip route del {destination} dev {device}, or make the network with another -o fullhost.subnet=…",
            )
    return Finding(check="routes", verdict=Verdict.OK, found=f"no other way to {network.subnet} than {network.bridge}")


def _of_firewall(network: model.Network, closed: tuple[tuple[str, str], ...] | None) -> Iterator[Finding]:
    """Tell of what the driver does not write to: a table of nftables that an administrator wrote is his."""
    if closed is None:
        yield Finding(
            check="firewall", verdict=Verdict.OK, found="not looked at: only root may", mend="sudo fhv doctor"
        )
        return
    bridge = network.bridge
    if network.address != network.gateway:
        closed = ()  # what is on the LAN passes by
    elif network.dns != network.address:
        closed = tuple((hook, where) for hook, where in closed if hook == "forward")
    for hook, where in closed:
        if hook == "forward":
            found = f"the chain {where} drops what comes in by {bridge}: machines do not reach the world"
            back = f"nft insert rule {where} oifname {bridge} ct state established,related accept"
            mend = f"nft insert rule {where} iifname {bridge} accept; {back}; and the same in /etc/nftables.conf"
            yield Finding(check="firewall", verdict=Verdict.BROKEN, found=found, mend=mend)
            continue
        found = f"the host drops what comes in by {bridge}: machines cannot ask the name server {network.dns}"
        mend = (
            f"nft insert rule {where} iifname {bridge} meta l4proto {{ tcp, udp }} th dport {network.dns_port} accept"
        )
        if where == "iptables":
            mend = "restart the driver, which opens port 53 to machines: systemctl restart fullhost"
        yield Finding(check="firewall", verdict=Verdict.WARNING, found=found, mend=mend)
    if not closed:
        yield Finding(check="firewall", verdict=Verdict.OK, found=f"what comes in by {bridge} is let in")


def _of_resolver(name: str, address: pairs.Address | None, *, network: model.Network, mdns_first: bool) -> Finding:
    if address is not None and any(address in ipaddress.ip_network(of) for of in _subnets(network)):
        return Finding(check="resolver", verdict=Verdict.OK, found=f"this host resolves {name}: {address}")
    found = f"this host resolves {name} to {address}" if address else f"this host does not resolve {name}"
    if mdns_first:
        found += ": it asks multicast DNS for names of local, and nobody else"
        mend = "take mdns4_minimal [NOTFOUND=return] out of the line hosts of /etc/nsswitch.conf, or use another domain"
    else:
        mend = f"fhv host resolver on (machines do not need it: they ask {network.dns} anyway)"
    return Finding(check="resolver", verdict=Verdict.WARNING, found=found, mend=mend)
