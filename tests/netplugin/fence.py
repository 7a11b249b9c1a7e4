"""What keeps machines to themselves in the fakes' world: a table, pins in it, the flags of ports; and firewalld."""

import dataclasses
from collections.abc import Callable, Mapping

from netplugin import guarding, model, nftables, pins, store


@dataclasses.dataclass
class Fence:
    """The guard of a world, whose links it sees and to which every act of it counts."""

    links: Mapping[str, model.Port | None]
    act: Callable[[], None]
    table: bool = False
    elements: set[nftables.Element] = dataclasses.field(default_factory=set)
    flags: dict[str, pins.Flags] = dataclasses.field(default_factory=dict)
    counts: dict[bytes, int] = dataclasses.field(default_factory=dict)

    def pinned(self) -> set[str]:
        """Return the ports to which something is pinned."""
        return {pins.port_of(element.key) for element in self.elements}

    def pin(self, wish: pins.Pin) -> None:
        self.act()
        assert wish.port in self.links, "a port is made before it is pinned, or who looks takes its pins for left ones"
        if wish.elements and not self.table:
            raise model.Cannot("pin", why="no table", hint="-", reason=model.Reason.MISSING)
        self.elements |= wish.elements
        self.flags[wish.port] = wish.flags

    def standing(self) -> pins.Standing:
        ports = {name for name, port in self.links.items() if port is not None}
        plain, sets = pins.Flags(isolated=False, groups=0), {element.set for element in self.elements}
        return pins.Standing(
            there=self.table,
            sealed=self.table,
            elements={name: frozenset(e.key for e in self.elements if e.set == name) for name in sets},
            counts=dict(self.counts),
            links=frozenset(ports),
            ports={name: self.flags.get(name, plain) for name in ports},
        )

    def repair(self, repairs: pins.Repairs) -> None:
        self.act()
        if repairs.write:
            self.table, self.elements = True, set()
        self.elements = (self.elements - repairs.delete) | repairs.add
        self.flags |= {wish.port: wish.flags for wish in repairs.flag}

    def forget(self, elements: frozenset[nftables.Element]) -> None:
        self.act()
        self.elements -= elements
        self.counts = {key: count for key, count in self.counts.items() if key not in {e.key for e in elements}}

    def delete(self) -> None:
        self.act()
        self.table, self.elements = False, set()

    def stopped(self) -> tuple[pins.Stopped, ...]:
        return pins.stopped(self.counts)


@dataclasses.dataclass
class Firewalld:
    """firewalld, which does not run unless a test says so: then it has bridges in its zone."""

    runs: bool = False
    zone: set[str] = dataclasses.field(default_factory=set)

    def missing(self, network: model.Network) -> tuple[str, ...]:
        return ("its zone",) if self.runs and network.bridge not in self.zone else ()

    def ensure(self, network: model.Network) -> None:
        self.zone |= {network.bridge} if self.runs else set()

    def leave(self, network: model.Network) -> None:
        self.zone.discard(network.bridge)


def watch(fence: Fence, state: store.Store, count: Callable[[str], None]) -> guarding.Guardian:
    """Return what guards a world."""
    return guarding.Guardian(store=state, guard=fence, count=count)
