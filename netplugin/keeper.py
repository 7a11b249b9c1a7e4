"""What happens without a request: what the store wishes is put back, what no live container owns is collected."""

import dataclasses
import datetime
import logging
import time
import typing
from collections.abc import Callable, Iterator, Mapping

from netplugin import addressing, model, naming, store

_log = logging.getLogger("fullhost")


class Links(typing.Protocol):
    """What the keeper does with links (netplugin.links)."""

    def exists(self, name: str) -> bool: ...
    def check_bridge(self, network: model.Network) -> None: ...
    def ensure_bridge(self, network: model.Network) -> None: ...
    def attach(self, host_end: str, *, bridge: str) -> None: ...
    def delete_link(self, name: str) -> None: ...
    def ports(self) -> dict[str, model.Port]: ...


class Firewall(typing.Protocol):
    """What the keeper does with rules (netplugin.firewall)."""

    def ensure(self, network: model.Network) -> tuple[str, ...]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Keeper:
    """The keeper over its leaves. A pass may be repeated at any time; what it did is logged and counted."""

    store: store.Store
    links: Links
    firewall: Firewall
    now: Callable[[], datetime.datetime]
    count: Callable[[str], None]

    def run(self, seconds: float) -> None:
        """Make a pass every so many seconds, for ever: it ends with the process."""
        while True:
            time.sleep(seconds)
            self.keep()

    def keep(self) -> None:
        """Make one pass: every network is tried, and one that cannot be restored keeps none of the others waiting."""
        try:
            ports, endpoints = self.links.ports(), self.store.endpoints()
            for network in self.store.networks():
                self._restore(network, ports)
            if any(_leftovers(ports, endpoints, now=self.now(), grace=addressing.GRACE)):
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
                self._report("collected.endpoint", f"{endpoint.name} {endpoint.address} {endpoint.id[:12]}")
            for stray in strays:
                self.links.delete_link(stray)
                self._report("collected.veth", stray)

    def _restore(self, network: model.Network, ports: Mapping[str, model.Port]) -> None:
        """Put back what the network should have; say what that was, or why it cannot be."""
        try:
            for what, detail in self._restored(network, ports):
                self._report(f"restored.{what}", detail)
        except model.Cannot as error:
            self._report("restore.failed", f"network {network.id[:12]}: {error}", level=logging.ERROR)

    def _restored(self, network: model.Network, ports: Mapping[str, model.Port]) -> Iterator[tuple[str, str]]:
        """Put back the bridge, if it is ours, its ports, and the rules."""
        if not network.bridge_made:
            self.links.check_bridge(network)
        elif not self.links.exists(network.bridge):
            self.links.ensure_bridge(network)
            yield "bridge", network.bridge
        for endpoint in self.store.endpoints():
            port = ports.get(host_end := naming.veth(endpoint.id).host)
            if endpoint.network_id == network.id and port is not None and port.bridge != network.bridge:
                self.links.attach(host_end, bridge=network.bridge)
                yield "port", f"{host_end} in {network.bridge}"
        for rule in self.firewall.ensure(network):
            yield "rule", rule

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
