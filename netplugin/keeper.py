"""What happens without a request: what the store wishes is put back, what no live container owns is collected."""

import dataclasses
import datetime
import functools
import logging
import threading
import time
import typing
from collections.abc import Callable, Mapping, Sequence

from netplugin import absence, addressing, collection, model, naming, patrol, store

LOOK_EVERY = datetime.timedelta(seconds=30)  # at the engine's networks, where there is no doubt
SETTLE_SECONDS = 0.2  # between two looks while an endpoint is pending
_log = logging.getLogger("fullhost")


class Links(typing.Protocol):
    """What the keeper does with links (netplugin.links)."""

    def stands(self, network: model.Network) -> bool: ...
    def check_bridge(self, network: model.Network) -> None: ...
    def ensure_bridge(self, network: model.Network) -> None: ...
    def attach(self, host_end: str, *, bridge: str) -> None: ...
    def delete_link(self, name: str) -> None: ...
    def ports(self) -> dict[str, model.Port]: ...


class Uplinks(typing.Protocol):
    """What the keeper does with the interfaces that lead to the LAN (netplugin.uplinks)."""

    def stands(self, network: model.Network) -> bool: ...
    def ensure(self, network: model.Network) -> None: ...


class Firewall(typing.Protocol):
    """What the keeper does with rules (netplugin.firewall)."""

    def missing(self, network: model.Network) -> tuple[str, ...]: ...
    def ensure(self, network: model.Network) -> None: ...


class Firewalld(typing.Protocol):
    """What the keeper does beside firewalld (netplugin.firewalld)."""

    def missing(self, network: model.Network) -> tuple[str, ...]: ...
    def ensure(self, network: model.Network) -> None: ...


class Settler(typing.Protocol):
    """What settles endpoints (netplugin.settlement)."""

    def pending(self) -> bool: ...
    def settle(self) -> None: ...


class Engine(typing.Protocol):
    """What is asked of the engine (netplugin.engine)."""

    def network_ids(self) -> frozenset[str]: ...
    def attachments(self, network_id: str) -> dict[str, model.Attachment]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Repair:
    """One thing that is not as the store wishes it, and what puts it right."""

    what: str
    detail: str
    act: Callable[[], None]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Keeper:
    """The keeper over its leaves. A pass may be repeated at any time; what it did is logged and counted."""

    store: store.Store
    links: Links
    uplinks: Uplinks
    firewall: Firewall
    firewalld: Firewalld
    now: Callable[[], datetime.datetime]
    count: Callable[[str], None]
    settler: Settler
    engine: Engine
    dismantle: Callable[[model.Network], None]
    absences: absence.Absences = dataclasses.field(default_factory=absence.Absences)
    looked: dict[str, datetime.datetime] = dataclasses.field(default_factory=dict)  # at the engine: when, the last time
    told: dict[str, str]  # by network or veth: what cannot be mended, told once; `fhv status` shows it

    def run(self, seconds: float, woken: threading.Event) -> None:
        """Make a pass every so many seconds, for ever: it ends with the process.

        Settlement is looked at when woken, and then more often as long as something is pending: a container that is
        being started has its name at Join, and can be moved as soon as it runs.
        """
        due = time.monotonic() + self._pause(seconds)
        while True:
            try:
                woken.wait(SETTLE_SECONDS if self.settler.pending() else max(due - time.monotonic(), 0))
                woken.clear()
                self.settler.settle()
                if time.monotonic() >= due:
                    patrol.in_turn(self.keep, seconds=seconds)
                    due = time.monotonic() + self._pause(seconds)
            except Exception:  # nobody else would hear of it, and the next pass may go well
                self.count("keeper.pass.failed")
                _log.exception("keeper: the pass failed")
                time.sleep(seconds)

    def _pause(self, seconds: float) -> float:
        """Return how long the next pass may wait: not so long while it is in doubt whether something is gone."""
        return min(seconds, absence.BETWEEN.total_seconds()) if self.absences.doubtful else seconds

    def keep(self) -> None:
        """Make one pass: every network is tried, and one that cannot be restored keeps none of the others waiting."""
        try:
            ports, endpoints = self.links.ports(), self.store.endpoints()
            for network in self.store.networks():
                self._restore(network, ports, endpoints)
            gone = self._forsake([e for e in endpoints if collection.is_doubtful(ports.get(naming.veth(e.id).host))])
            stale, strays = collection.leftovers(ports, endpoints, now=self.now(), grace=addressing.GRACE, gone=gone)
            for lost in {key for key in self.told if naming.is_host_end(key)} - ports.keys():
                del self.told[lost]
            if stale or set(strays) - self.told.keys():
                self.collect(grace=addressing.GRACE, gone=gone)
        except model.Cannot as error:
            self._report("pass.failed", str(error), level=logging.ERROR)

    def collect(self, *, grace: datetime.timedelta, gone: frozenset[str] = frozenset()) -> None:
        """Delete rows and veths of which no live container is the owner; of those that are `gone` the engine said so.

        It lists again under the write lock: a veth without a row then is no veth that is just being made. With no
        grace, at the first call of a new engine, also a start that the old engine did not finish is over.
        """
        with self.store.transaction() as transaction:
            ports, endpoints = self.links.ports(), self.store.endpoints()
            stale, strays = collection.leftovers(ports, endpoints, now=self.now(), grace=grace, gone=gone)
            for endpoint in stale:
                transaction.remove_endpoint(endpoint.id)
                if not endpoint.left:  # else its DeleteEndpoint is under way, or lost, and nobody misses it
                    lost = f"{endpoint.name} {endpoint.addresses} {endpoint.id[:12]}"
                    self._report("collected.endpoint", f"{lost}: if it runs, it has no network; restart it")
            collected = {naming.veth(endpoint.id).host for endpoint in stale}
            for stray in strays:
                self._discard(stray, ours=stray in collected or ports[stray].peer is model.Whereabouts.HERE)

    def _discard(self, stray: str, *, ours: bool) -> None:
        """Delete a veth of no endpoint; one whose peer a sandbox has is left to the machine that lives on it.

        Such a one tells of a state file that was lost. The kernel deletes it with the sandbox.
        """
        if ours:
            self.links.delete_link(stray)
            self._report("collected.veth", stray)
        elif stray not in self.told:
            self.told[stray] = f"{stray} is of a running machine that the driver has no record of: restart the machine"
            self._report("unknown.veth", self.told[stray])

    def _forsake(self, suspects: list[model.Endpoint]) -> frozenset[str]:
        """Return what the engine does not have, at two looks in turn, and take such networks away.

        Their DeleteNetwork never came, or the driver died as it made them. Suspects are endpoints that no sandbox has,
        or whose peer is down in one: they are being made, or nobody will ever delete them.
        """
        now, networks = self.now(), self.store.networks()
        last = self.looked.get("engine")
        if not suspects and not self.absences.doubtful and last is not None and now - last < LOOK_EVERY:
            return frozenset()
        self.looked["engine"] = now
        try:
            known = self._known(networks, suspects)
        except model.Cannot:
            self.absences.forget(now)
            return frozenset()
        had = {network.id: network.created for network in networks} | {e.id: e.created for e in suspects}
        gone = self.absences.gone({key: had[key] for key in had.keys() - known}, now=now)
        for network in networks:
            if network.id in gone:
                self.dismantle(network)
                self._report("collected.network", f"{network.id[:12]} on {network.bridge}")
        return gone

    def _known(self, networks: tuple[model.Network, ...], suspects: list[model.Endpoint]) -> frozenset[str]:
        """Return the ids of the engine's networks, and of the endpoints on those that have a suspect."""
        if not networks:
            return frozenset()
        known = self.engine.network_ids()
        suspected = known & {endpoint.network_id for endpoint in suspects}
        return known.union(*(self.engine.attachments(network_id) for network_id in suspected))

    def _restore(
        self, network: model.Network, ports: Mapping[str, model.Port], endpoints: Sequence[model.Endpoint]
    ) -> None:
        """Put back what the network should have; say what that was, or, once, why it cannot be.

        It looks before it takes the write lock, and looks again under it: a network may be deleted meanwhile.
        """
        try:
            if self._repairs(network, ports, endpoints):
                with self.store.transaction():
                    there = network in self.store.networks()
                    repairs = self._repairs(network, self.links.ports(), self.store.endpoints()) if there else []
                    for repair in repairs:
                        repair.act()
                        self._report(f"restored.{repair.what}", repair.detail)
            if missing := self.firewalld.missing(network):  # not under the lock: firewalld takes seconds
                self.firewalld.ensure(network)
                self._report("restored.zone", "; ".join(missing))
            if not network.bridge_made:
                self.links.check_bridge(network)  # last: it can only be told, and everything else is put back before
            self.told.pop(network.id, None)
        except model.Cannot as error:
            if self.told.get(network.id) != str(error):
                self._report("restore.failed", f"network {network.id[:12]}: {error}", level=logging.ERROR)
            self.told[network.id] = str(error)

    def _repairs(
        self, network: model.Network, ports: Mapping[str, model.Port], endpoints: Sequence[model.Endpoint]
    ) -> list[Repair]:
        """Return what bridge (if it is ours), ports, rules and uplink want, in order; the last may be gone for good."""
        repairs = []
        if network.bridge_made and not self.links.stands(network):
            act = functools.partial(self.links.ensure_bridge, network)
            repairs.append(Repair(what="bridge", detail=network.bridge, act=act))
        for endpoint in endpoints:
            port = ports.get(host_end := naming.veth(endpoint.id).host)
            fine = port is None or (port.up and port.bridge == network.bridge)
            if endpoint.network_id == network.id and not fine:
                act = functools.partial(self.links.attach, host_end, bridge=network.bridge)
                repairs.append(Repair(what="port", detail=f"{host_end} in {network.bridge}", act=act))
        if missing := self.firewall.missing(network):
            act = functools.partial(self.firewall.ensure, network)
            repairs.append(Repair(what="rules", detail="; ".join(missing), act=act))
        if network.bridge_made and not self.uplinks.stands(network):
            act = functools.partial(self.uplinks.ensure, network)
            repairs.append(Repair(what="uplink", detail=f"{network.uplink} in {network.bridge}", act=act))
        return repairs

    def _report(self, what: str, detail: str, *, level: int = logging.WARNING) -> None:
        self.count(f"keeper.{what}")
        _log.log(level, "keeper: %s: %s", what.replace(".", " "), detail)
