"""What happens without a request: what the store wishes is put back, what no live container owns is collected."""

import dataclasses
import datetime
import functools
import logging
import threading
import time
import typing
from collections.abc import Callable, Mapping

from netplugin import addressing, model, naming, store

LOOK_EVERY = datetime.timedelta(seconds=30)  # at the engine's networks
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


class Firewall(typing.Protocol):
    """What the keeper does with rules (netplugin.firewall)."""

    def missing(self, network: model.Network) -> tuple[str, ...]: ...
    def ensure(self, network: model.Network) -> None: ...


class Settler(typing.Protocol):
    """What settles endpoints (netplugin.settlement)."""

    def pending(self) -> bool: ...
    def settle(self) -> None: ...


class Engine(typing.Protocol):
    """What is asked of the engine (netplugin.engine)."""

    def network_ids(self) -> frozenset[str]: ...


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
    firewall: Firewall
    now: Callable[[], datetime.datetime]
    count: Callable[[str], None]
    settler: Settler
    engine: Engine
    dismantle: Callable[[model.Network], None]
    missed: dict[str, datetime.datetime] = dataclasses.field(default_factory=dict)  # networks, and "" the last look
    told: dict[str, str]  # by network or veth: what cannot be mended, told once; `fhv status` shows it

    def run(self, seconds: float, woken: threading.Event) -> None:
        """Make a pass every so many seconds, for ever: it ends with the process.

        Settlement is looked at when woken, and then more often as long as something is pending: a container that is
        being started has its name at Join, and can be moved as soon as it runs.
        """
        due = time.monotonic() + seconds
        while True:
            try:
                woken.wait(SETTLE_SECONDS if self.settler.pending() else max(due - time.monotonic(), 0))
                woken.clear()
                self.settler.settle()
                if time.monotonic() >= due:
                    due = time.monotonic() + seconds
                    self.keep()
            except Exception:  # nobody else would hear of it, and the next pass may go well
                self.count("keeper.pass.failed")
                _log.exception("keeper: the pass failed")
                time.sleep(seconds)

    def keep(self) -> None:
        """Make one pass: every network is tried, and one that cannot be restored keeps none of the others waiting."""
        try:
            ports, endpoints = self.links.ports(), self.store.endpoints()
            for network in self.store.networks():
                self._restore(network, ports)
            self._forsake()
            stale, strays = _leftovers(ports, endpoints, now=self.now(), grace=addressing.GRACE)
            for gone in {key for key in self.told if naming.is_host_end(key)} - ports.keys():
                del self.told[gone]
            if stale or set(strays) - self.told.keys():
                self.collect(grace=addressing.GRACE)
        except model.Cannot as error:
            self._report("pass.failed", str(error), level=logging.ERROR)

    def collect(self, *, grace: datetime.timedelta) -> None:
        """Delete rows and veths of which no live container is the owner.

        It lists again under the write lock: a veth without a row then is no veth that is just being made. With no
        grace, at the first call of a new engine, also a start that the old engine did not finish is over.
        """
        with self.store.transaction() as transaction:
            ports, endpoints = self.links.ports(), self.store.endpoints()
            stale, strays = _leftovers(ports, endpoints, now=self.now(), grace=grace)
            for endpoint in stale:
                transaction.remove_endpoint(endpoint.id)
                if not endpoint.left:  # else its DeleteEndpoint is under way, or lost, and nobody misses it
                    lost = f"{endpoint.name} {endpoint.address} {endpoint.id[:12]}"
                    self._report("collected.endpoint", f"{lost}: if it runs, it has no network; restart it")
            for stray in strays:
                self._discard(stray, ports[stray])

    def _discard(self, stray: str, port: model.Port) -> None:
        """Delete a veth of no endpoint; one whose peer a sandbox has is left to the machine that lives on it.

        Such a one tells of a state file that was lost. The kernel deletes it with the sandbox.
        """
        if port.peer is model.Whereabouts.HERE:
            self.links.delete_link(stray)
            self._report("collected.veth", stray)
        elif stray not in self.told:
            self.told[stray] = f"{stray} is of a running machine that the driver has no record of: restart the machine"
            self._report("unknown.veth", self.told[stray])

    def _forsake(self) -> None:
        """Take away the networks that the engine has not had at two looks in turn: their DeleteNetwork never came."""
        networks, now = self.store.networks(), self.now()
        if not networks or now - self.missed.get("", datetime.datetime.min.replace(tzinfo=now.tzinfo)) < LOOK_EVERY:
            return
        try:
            known = self.engine.network_ids()
        except model.Cannot:
            self.missed.clear()  # it boots, or hangs: nothing is known
            known = frozenset(network.id for network in networks)
        gone = {network.id for network in networks} - known
        for network in networks:
            if network.id in gone and network.id in self.missed:
                self.dismantle(network)
                self._report("collected.network", f"{network.id[:12]} on {network.bridge}")
        self.missed.clear()
        self.missed.update(dict.fromkeys(("", *gone), now))

    def _restore(self, network: model.Network, ports: Mapping[str, model.Port]) -> None:
        """Put back what the network should have; say what that was, or, once, why it cannot be.

        It looks before it takes the write lock, and looks again under it: a network may be deleted meanwhile.
        """
        try:
            if self._repairs(network, ports):
                with self.store.transaction():
                    repairs = self._repairs(network, self.links.ports()) if network in self.store.networks() else []
                    for repair in repairs:
                        repair.act()
                        self._report(f"restored.{repair.what}", repair.detail)
            if not network.bridge_made:
                self.links.check_bridge(network)  # last: it can only be told, and everything else is put back before
            self.told.pop(network.id, None)
        except model.Cannot as error:
            if self.told.get(network.id) != str(error):
                self._report("restore.failed", f"network {network.id[:12]}: {error}", level=logging.ERROR)
            self.told[network.id] = str(error)

    def _repairs(self, network: model.Network, ports: Mapping[str, model.Port]) -> list[Repair]:
        """Return what the bridge, if it is ours, its ports and the rules want, in the order in which to do it."""
        repairs = []
        if network.bridge_made and not self.links.stands(network):
            act = functools.partial(self.links.ensure_bridge, network)
            repairs.append(Repair(what="bridge", detail=network.bridge, act=act))
        for endpoint in self.store.endpoints():
            port = ports.get(host_end := naming.veth(endpoint.id).host)
            fine = port is None or (port.up and port.bridge == network.bridge)
            if endpoint.network_id == network.id and not fine:
                act = functools.partial(self.links.attach, host_end, bridge=network.bridge)
                repairs.append(Repair(what="port", detail=f"{host_end} in {network.bridge}", act=act))
        if missing := self.firewall.missing(network):
            act = functools.partial(self.firewall.ensure, network)
            repairs.append(Repair(what="rules", detail="; ".join(missing), act=act))
        return repairs

    def _report(self, what: str, detail: str, *, level: int = logging.WARNING) -> None:
        self.count(f"keeper.{what}")
        _log.log(level, "keeper: %s: %s", what.replace(".", " "), detail)


def _leftovers(
    ports: Mapping[str, model.Port],
    endpoints: tuple[model.Endpoint, ...],
    *,
    now: datetime.datetime,
    grace: datetime.timedelta,
) -> tuple[list[model.Endpoint], list[str]]:
    """Return the endpoints that are stale, and the host ends that are of no other endpoint."""
    stale, live = [], set()
    for endpoint in endpoints:
        host_end = naming.veth(endpoint.id).host
        if addressing.is_stale(endpoint, ports.get(host_end), now=now, grace=grace):
            stale.append(endpoint)
        else:
            live.add(host_end)
    return stale, sorted(ports.keys() - live)
