"""A DHCP server and the segment that it is on, in the fakes' world."""

import dataclasses
import ipaddress
import typing
from collections.abc import Callable

from netplugin import asking, binding, leasing, model, registrar, renewal

SERVER = ipaddress.IPv4Address("172.31.0.1")


class World(typing.Protocol):
    """What counts acts, and fails when it is told to."""

    def act(self) -> None: ...


@dataclasses.dataclass
class Pool:
    """A server that leases `offers` in turn, but the wished address where it is one of `keeps`; `silent` where told so.

    `given` has the leases by hardware address; `asked` each question's name and wish, `pairs` the clients' interfaces.
    """

    world: World
    offers: list[str] = dataclasses.field(default_factory=list)
    given: dict[str, ipaddress.IPv4Address] = dataclasses.field(default_factory=dict)
    asked: list[tuple[str, ipaddress.IPv4Address | None]] = dataclasses.field(default_factory=list)
    pairs: dict[str, str] = dataclasses.field(default_factory=dict)  # by the port's name, the hardware address
    borne: dict[str, ipaddress.IPv4Address] = dataclasses.field(default_factory=dict)
    silent: bool = False
    absent: bool = False  # the client is not installed
    seconds: int = 120

    def check(self) -> None:
        if self.absent:
            raise model.Cannot("ask", why="it is not installed", hint="apt install udhcpc")

    def plug(
        self, pair: model.Veth, network: model.Network, *, mac: str, address: ipaddress.IPv4Address | None = None
    ) -> None:
        self.world.act()
        assert network.bridge
        assert pair.host not in self.pairs
        self.pairs[pair.host] = mac
        if address is not None:
            self.borne[pair.host] = address

    def unplug(self, name: str) -> None:
        self.pairs.pop(name, None)
        self.borne.pop(name, None)

    def plugged(self) -> tuple[str, ...]:
        return tuple(self.pairs)

    def ask(
        self, interface: str, name: str, *, wish: ipaddress.IPv4Address | None, seconds: float
    ) -> binding.Lease | None:
        self.world.act()
        assert seconds > 0
        mac = self.pairs[f"{interface[:-1]}h"]
        self.asked.append((name, wish))
        if self.silent:
            return None
        if self.offers:
            self.given[mac] = ipaddress.IPv4Address(self.offers.pop(0))
        return binding.Lease(address=self.given[mac], server=SERVER, seconds=self.seconds)

    def release(self, interface: str, name: str, address: ipaddress.IPv4Address, *, seconds: float) -> bool:
        self.world.act()
        port = f"{interface[:-1]}h"
        assert self.borne[port] == address
        assert (name, seconds) > ("", 0)
        return not self.silent and self.given.pop(self.pairs[port], None) == address


def lease(pool: Pool, registers: registrar.Registrar, *, links: leasing.Links, zone: leasing.Zone) -> leasing.Leaser:
    """Return what has names leased their addresses by the pool."""
    return leasing.Leaser(
        store=registers.store,
        links=links,
        asker=asking.Asker(segment=pool, client=pool, count=registers.count),
        zone=zone,
        registrar=registers,
        owner=registers.owner,
        now=registers.now,
        count=registers.count,
    )


def renew(leaser: leasing.Leaser, *, engine: renewal.Engine, wake: Callable[[], None]) -> renewal.Renewer:
    """Return what renews leases."""
    return renewal.Renewer(
        store=leaser.store, engine=engine, leaser=leaser, now=leaser.now, count=leaser.count, wake=wake
    )
