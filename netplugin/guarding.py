"""No machine can be another: each port is pinned to what its endpoint was given, and what else it sends is told."""

import contextlib
import dataclasses
import functools
import logging
import typing
from collections.abc import Callable

from netplugin import frames, model, naming, nftables, patrol, pins, store

_log = logging.getLogger("fullhost")


class Guard(typing.Protocol):
    """What is done in the kernel (netplugin.guard)."""

    def pin(self, wish: pins.Pin) -> None: ...
    def standing(self) -> pins.Standing: ...
    def repair(self, repairs: pins.Repairs) -> None: ...
    def forget(self, elements: frozenset[nftables.Element]) -> None: ...
    def delete(self) -> None: ...
    def stopped(self) -> tuple[pins.Stopped, ...]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Guardian:
    """The guarding over its leaves; `seen` has, by port and reason, what was told of it, once."""

    store: store.Store
    guard: Guard
    count: Callable[[str], None]
    seen: set[tuple[str, frames.Why]] = dataclasses.field(default_factory=set)

    def pin(self, endpoint: model.Endpoint, network: model.Network) -> None:
        """Pin the port of a new endpoint, under the write lock; where someone took the table away, all of them."""
        wish = pins.pin(endpoint, network)
        if wish.free:
            return
        try:
            self.guard.pin(wish)
        except model.Cannot as error:
            if error.reason is not model.Reason.MISSING:
                raise
            self.restore()

    def prepare(self) -> None:
        """Have the table for a new network, under the write lock."""
        wanted = self._repairs(self.guard.standing())
        if wanted.details:
            self.guard.repair(wanted)

    def restore(self) -> None:
        """Put back what is missing or was changed, under the write lock; it is logged and counted."""
        wanted = self._repairs(self.guard.standing())
        if wanted.details:
            self.guard.repair(wanted)
            self.count("guard.restored")
            _log.warning("guard: restored %s", "; ".join(wanted.details))

    def release(self, network: model.Network) -> None:
        """Take the table away with the last network that wants it, under the write lock."""
        if not any(other.antispoof for other in self.store.networks() if other.id != network.id) and not any(
            endpoint.antispoof for endpoint in self.store.endpoints() if endpoint.network_id != network.id
        ):
            self.guard.delete()

    def keep(self) -> None:
        """Make one pass: look without the lock, and again under it where something is wrong; tell who was stopped.

        What is left of ports that are gone is let go without it: nobody has their names again.
        """
        standing = self.guard.standing()
        if standing.there and not self.store.networks():
            with self.store.transaction():
                if not self.store.networks():
                    self.guard.delete()
            return
        if self._repairs(standing).details:
            with self.store.transaction():
                self.restore()
        if gone := pins.stale(standing):
            self.guard.forget(gone)
        self._tell(pins.stopped(standing.counts))

    def run(self, seconds: float) -> None:
        """Make a pass every so many seconds, for ever, in a thread of its own."""
        look = functools.partial(patrol.in_turn, self.keep, seconds=seconds)
        patrol.for_ever(look, seconds=seconds, name="guard", count=self.count)

    def stopped(self) -> tuple[tuple[model.Endpoint, pins.Stopped], ...]:
        """Return who was stopped, why and how often; nothing where the kernel does not tell."""
        found = list[pins.Stopped]()
        with contextlib.suppress(model.Cannot):
            found = sorted(self.guard.stopped(), key=lambda stopped: (stopped.port, stopped.why))
        endpoints = self._by_port() if found else {}
        return tuple((endpoints[one.port], one) for one in found if one.port in endpoints)

    def _by_port(self) -> dict[str, model.Endpoint]:
        return {naming.veth(endpoint.id).host: endpoint for endpoint in self.store.endpoints()}

    def _repairs(self, standing: pins.Standing) -> pins.Repairs:
        networks = {network.id: network for network in self.store.networks()}
        wishes = (pins.pin(e, networks[e.network_id]) for e in self.store.each_endpoint() if e.network_id in networks)
        return pins.repairs(wishes, standing, needed=any(network.antispoof for network in networks.values()))

    def _tell(self, found: tuple[pins.Stopped, ...]) -> None:
        """Log each port and reason once; how often, `fhv status` tells."""
        self.seen.intersection_update({(one.port, one.why) for one in found})
        new = [one for one in found if (one.port, one.why) not in self.seen]
        endpoints = self._by_port() if new else {}
        for one in new:
            name = endpoints[one.port].name if one.port in endpoints else None
            self.seen.add((one.port, one.why))
            self.count(f"stopped.{one.why}")
            _log.warning("guard: %s sends what it may not: %s", name or one.port, one.why.sentence)
