"""A world without a kernel: leaves that remember what was done, and fail when they are told to."""

import collections
import dataclasses
import datetime
import functools
import ipaddress
import threading
from collections.abc import Callable, Iterable

from netplugin import (
    agreement,
    assembly,
    assignment,
    control,
    driver,
    exposure,
    inventory,
    ipam,
    ipv6,
    keeper,
    leasing,
    model,
    naming,
    networks,
    pairs,
    publishing,
    records,
    registrar,
    registration,
    settlement,
    store,
    tidying,
)
from tests.netplugin import fence, pool
from tests.netplugin.beside import Lan


@dataclasses.dataclass
class World:
    """Links, firewall, zone and engine in one; the act number `failing` (from 1) fails before it does anything."""

    links: dict[str, model.Port | None] = dataclasses.field(default_factory=dict)  # None: a bridge
    rules: set[str] = dataclasses.field(default_factory=set)
    ways: dict[str, tuple[exposure.Way, ...]] = dataclasses.field(default_factory=dict)
    listening: set[int] = dataclasses.field(default_factory=set)  # ports of the host that programs have
    held: set[str] = dataclasses.field(default_factory=set)
    zone: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    zone6: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    owners: dict[str, str] = dataclasses.field(default_factory=dict)  # whose mark names bear
    unpointed: bool = False  # there is no reverse zone
    waiting: tuple[str, ...] = ()
    networks: set[str] = dataclasses.field(default_factory=set)
    attached: dict[str, model.Attachment] = dataclasses.field(default_factory=dict)
    asked_for: ipaddress.IPv4Address | None = None  # with the last move
    updates: registrar.Update | None = None  # without, there is no update key
    listed: list[registration.Container] = dataclasses.field(default_factory=list)
    moved: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    silent: set[str] = dataclasses.field(default_factory=set)  # "dns" and "engine" do not answer
    woken: int = 0
    engine_version: str = "28.5.2+dfsg4"
    uplink: ipaddress.IPv4Network | None = None
    counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    failing: int = 0
    acts: int = 0

    firewalld: fence.Firewalld = dataclasses.field(default_factory=fence.Firewalld)

    @functools.cached_property
    def lan(self) -> Lan:
        """Its interfaces to the LAN."""
        return Lan(self)

    @functools.cached_property
    def pool(self) -> pool.Pool:
        """The DHCP server on its segment."""
        return pool.Pool(self)

    @functools.cached_property
    def fence(self) -> fence.Fence:
        """What keeps its machines to themselves."""
        return fence.Fence(self.links, self.act)

    def act(self) -> None:
        self.acts += 1
        if self.acts == self.failing:
            raise model.Cannot("do it", why="it fails on purpose", hint="try again", reason=model.Reason.UNAVAILABLE)

    def _ask(self, whom: str) -> None:
        self.act()
        if whom in self.silent:
            raise model.Cannot("ask", why=f"{whom} is silent", hint="wait", reason=model.Reason.UNAVAILABLE)

    def wake(self) -> None:
        self.woken += 1

    def count(self, what: str) -> None:
        self.counts[what] += 1

    # links

    def exists(self, name: str) -> bool:
        return name in self.links

    def stands(self, network: model.Network) -> bool:
        return network.bridge in self.links

    def overlapping(self, network: model.Network) -> str | None:
        return f"eth0 has {network.interface}" if network.subnet == self.uplink else None

    def check_bridge(self, network: model.Network) -> None:
        self.act()
        if network.bridge not in self.links:
            raise model.Cannot("use the bridge", why="it is not there", hint="make it")

    def ensure_bridge(self, network: model.Network) -> None:
        self.act()
        self.links[network.bridge] = None

    def create_veth(self, veth: model.Veth, network: model.Network) -> None:
        self.act()
        assert self.links[network.bridge] is None
        assert veth.host not in self.links
        self.links[veth.host] = model.Port(bridge=network.bridge, peer=model.Whereabouts.HERE)

    def attach(self, host_end: str, *, bridge: str) -> None:
        self.act()
        port = self.links[host_end]
        assert port is not None
        self.links[host_end] = dataclasses.replace(port, bridge=bridge, up=True)

    def delete_link(self, name: str) -> None:
        self.act()
        self.links.pop(name, None)

    def port(self, host_end: str) -> model.Port | None:
        return self.links.get(host_end)

    def ports(self) -> dict[str, model.Port]:
        return {name: port for name, port in self.links.items() if port is not None and naming.is_host_end(name)}

    def forwarding(self, bridge: str) -> bool:
        return bridge == "br1"

    def forwarding6(self) -> bool:
        return False

    # the firewall

    def missing(self, network: model.Network, ways: tuple[exposure.Way, ...] = ()) -> tuple[str, ...]:
        if ways != self.ways.get(network.id, ()):
            return ("its ways",)
        return () if network.id in self.rules else ("its rules",)

    def ensure(self, network: model.Network, ways: tuple[exposure.Way, ...] = ()) -> None:
        self.act()
        self.rules.add(network.id)
        self.ways[network.id] = ways

    def translate(self, network: model.Network, ways: tuple[exposure.Way, ...]) -> None:
        self.act()
        self.ways[network.id] = ways

    # the host's own ports

    def in_use(self, wanted: exposure.Exposure) -> str | None:
        if wanted.host_port in self.listening:
            return "somebody listens"
        self.held.add(str(wanted))
        return None

    def keep(self, wanted: Iterable[exposure.Exposure]) -> tuple[str, ...]:
        self.held = {str(wish) for wish in wanted}
        return tuple(f"{wish}: taken" for wish in wanted if wish.host_port in self.listening)

    def delete(self, network_id: str) -> None:
        self.act()
        self.rules.discard(network_id)
        self.ways.pop(network_id, None)

    # DNS

    def addresses(self, host: str, network: model.Network) -> tuple[ipaddress.IPv4Address, ...]:
        self._ask("dns")
        assert network.domain
        return tuple(ipaddress.IPv4Address(text) for text in self.zone.get(host, ()))

    def addresses6(self, host: str, network: model.Network) -> tuple[ipaddress.IPv6Address, ...]:
        self._ask("dns")
        assert network.subnet6 is not None
        return tuple(ipaddress.IPv6Address(text) for text in self.zone6.get(host, ()))

    def records(self, network: model.Network) -> tuple[inventory.Record, ...]:
        if "transfer" in self.silent:
            raise model.Cannot("transfer", why="it is refused", hint="allow it", reason=model.Reason.UNAVAILABLE)
        return tuple(ipv6.look_up(self, name, network) for name in self.zone | self.zone6)

    def entries(self, network: model.Network) -> tuple[inventory.Entry, ...]:
        self._ask("dns")
        found = self.records(network)
        return tuple(inventory.Entry(name=r.name, addresses=r.all, owner=None) for r in found)

    def pointer(self, address: pairs.Address, network: model.Network) -> str | None:
        self._ask("dns")
        assert network.domain
        named = (name for zone in (self.zone, self.zone6) for name, given in zone.items() if str(address) in given)
        return None if self.unpointed else next(named, None)

    def fleet(self, network: model.Network) -> inventory.Fleet:
        assert network.domain
        record = inventory.Record(name="web", addresses=(network.gateway + 1,))
        texts: dict[str, tuple[tuple[str, ...], ...]] = {"web": (("memory=2g", "cpus=1"),)}
        return inventory.Fleet(serial=3, records=(record,), pointers={network.gateway + 1: "web"}, texts=texts)

    def owner(self, host: str, network: model.Network) -> str | None:
        self._ask("dns")
        assert network.domain
        return self.owners.get(host) if host in self.zone else "nobody"

    # the engine

    def network_name(self, network_id: str) -> str:
        assert len(network_id) == 64
        raise model.Cannot("ask", why="the engine boots", hint="wait", reason=model.Reason.UNAVAILABLE)

    def candidates(self, network_id: str) -> tuple[str, ...]:
        self._ask("engine")
        assert len(network_id) == 64
        return self.waiting

    def version(self) -> str:
        return "" if "engine" in self.silent else self.engine_version

    def pools(self) -> tuple[tuple[str, int], ...]:
        return () if "engine" in self.silent else (("10.200.0.0/16", 24), ("fd00::/48", 64))

    def network_ids(self) -> frozenset[str]:
        self._ask("engine")
        return frozenset(self.networks)

    def attachments(self, network_id: str) -> dict[str, model.Attachment]:
        self._ask("engine")
        assert len(network_id) == 64
        return self.attached

    def prepare(self, endpoint: model.Endpoint, container: str, *, name: str) -> model.Move:
        self._ask("engine")
        return model.Move(
            container=container,
            network_id=endpoint.network_id,
            endpoint_id=endpoint.id,
            name=name,
            aliases=("alias",),
            options={"fullhost.name": name},
        )

    def complete(self, move: model.Move) -> None:
        self._ask("engine")
        self.asked_for = move.address
        assert move.aliases == ("alias",)
        if move.container == "gone":
            raise model.Cannot("move it", why="no such container", hint="-", reason=model.Reason.MISSING)
        self.moved.append((move.container, move.name))

    def containers(self) -> tuple[registration.Container, ...]:
        self._ask("engine")
        return tuple(self.listed)

    # what the engine does with a veth

    def take(self, endpoint_id: str) -> None:
        """Move the peer into a sandbox, as the engine does after Join."""
        host_end = naming.veth(endpoint_id).host
        port = self.links[host_end]
        assert port is not None
        self.links[host_end] = dataclasses.replace(port, peer=model.Whereabouts.AWAY)


def register(world: World, state: store.Store, now: Callable[[], datetime.datetime]) -> registrar.Registrar:
    """Return what registers names in the world."""
    return registrar.Registrar(store=state, zone=world, update=world.updates, owner="h1", now=now, count=world.count)


def lease(world: World, state: store.Store, now: Callable[[], datetime.datetime]) -> leasing.Leaser:
    """Return what has names leased their addresses in the world."""
    return pool.lease(world.pool, register(world, state, now), links=world, zone=world)


def drive(world: World, state: store.Store, now: Callable[[], datetime.datetime]) -> driver.Driver:
    """Return a driver in the world."""
    registers = register(world, state, now)
    leaser = lease(world, state, now)
    assigner = assignment.Assigner(
        store=state, zone=world, engine=world, registrar=registers, leaser=leaser, now=now, count=world.count
    )
    return driver.Driver(
        store=state,
        links=world,
        engine=world,
        assigner=assigner,
        agreement=agreement.Agreement(store=state, assigner=assigner),
        publisher=publish(world, state),
        guardian=fence.watch(world.fence, state, world.count),
        now=now,
        count=world.count,
        wake=world.wake,
    )


def publish(world: World, state: store.Store) -> publishing.Publisher:
    """Return a publisher in the world."""
    return publishing.Publisher(store=state, firewall=world, claims=world, count=world.count)


def make(world: World, state: store.Store, now: Callable[[], datetime.datetime]) -> networks.Networks:
    """Return what makes networks in the world."""
    return networks.Networks(
        store=state,
        links=world,
        uplinks=world.lan,
        firewall=publish(world, state),
        firewalld=world.firewalld,
        engine=world,
        registrar=register(world, state, now),
        leaser=lease(world, state, now),
        guardian=fence.watch(world.fence, state, world.count),
        defaults={},
        now=now,
        count=world.count,
    )


def lend(use: driver.Driver) -> ipam.Ipam:
    """Return the IPAM driver beside a driver."""
    return ipam.Ipam(store=use.store, agreement=use.agreement)


def _real() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def settle(world: World, state: store.Store, now: Callable[[], datetime.datetime] = _real) -> settlement.Settler:
    """Return a settler in the world."""
    leaser = lease(world, state, now)
    return settlement.Settler(store=state, zone=world, engine=world, leaser=leaser, count=world.count)


def tidy(world: World, state: store.Store, now: Callable[[], datetime.datetime]) -> tidying.Tidier:
    """Return what tidies registrations in the world."""
    return tidying.Tidier(store=state, engine=world, registrar=register(world, state, now), now=now, count=world.count)


def keep(world: World, state: store.Store, now: Callable[[], datetime.datetime]) -> keeper.Keeper:
    """Return a keeper in the world."""
    return keeper.Keeper(
        store=state,
        links=world,
        uplinks=world.lan,
        firewall=publish(world, state),
        firewalld=world.firewalld,
        engine=world,
        settler=settle(world, state),
        dismantle=make(world, state, now).dismantle,
        now=now,
        count=world.count,
        told={},
    )


def uses(world: World, state: store.Store, now: Callable[[], datetime.datetime]) -> assembly.Uses:
    """Return all use cases in the world."""
    use = drive(world, state, now)
    asked = control.Control(
        store=state,
        links=world,
        zone=world,
        engine=world,
        counters=lambda: dict(world.counts),
        stopped=fence.watch(world.fence, state, world.count).stopped,
        told={"fh0": "something cannot be mended"},
        version="0",
        pid=1,
        started=now(),
    )
    return assembly.Uses(
        driver=use,
        networks=make(world, state, now),
        keeper=keep(world, state, now),
        guardian=use.guardian,
        control=asked,
        tidier=tidy(world, state, now),
        renewer=pool.renew(lease(world, state, now), engine=world, wake=world.wake),
        records=records.Records(store=state, zone=world, registrar=register(world, state, now), count=world.count),
        ipam=lend(use),
        publisher=use.publisher,
        woken=threading.Event(),
        count=world.count,
    )
