"""Use cases of networks: make one with its bridge and its rules, and take it away whole."""

import contextlib
import dataclasses
import datetime
import typing
from collections.abc import Callable, Mapping

from netplugin import (
    allocation,
    answers,
    deadline,
    guarding,
    ipv6,
    leasing,
    model,
    naming,
    options,
    parents,
    protocol,
    refusals,
    registrar,
    store,
)


class Links(typing.Protocol):
    """What is done with links for a network (netplugin.links)."""

    def exists(self, name: str) -> bool: ...
    def overlapping(self, network: model.Network) -> str | None: ...
    def check_bridge(self, network: model.Network) -> None: ...
    def ensure_bridge(self, network: model.Network) -> None: ...
    def delete_link(self, name: str) -> None: ...


class Uplinks(typing.Protocol):
    """What is done with the interface that leads to the LAN (netplugin.uplinks)."""

    def interface(self, name: str) -> parents.Interface | None: ...
    def ensure(self, network: model.Network) -> None: ...


class Firewall(typing.Protocol):
    """What is done with rules for a network (netplugin.firewall)."""

    def ensure(self, network: model.Network) -> None: ...
    def delete(self, network_id: str) -> None: ...


class Firewalld(typing.Protocol):
    """What is done beside firewalld for a network (netplugin.firewalld)."""

    def ensure(self, network: model.Network) -> None: ...
    def leave(self, network: model.Network) -> None: ...


class Engine(typing.Protocol):
    """What is asked of the engine for a network (netplugin.engine)."""

    def version(self) -> str: ...
    def network_ids(self) -> frozenset[str]: ...
    def pools(self) -> tuple[tuple[str, int], ...]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Networks:
    """The use cases of networks over their leaves; `defaults` are of options that are not given."""

    store: store.Store
    links: Links
    uplinks: Uplinks
    firewall: Firewall
    firewalld: Firewalld
    engine: Engine
    registrar: registrar.Registrar
    leaser: leasing.Leaser
    guardian: guarding.Guardian
    defaults: Mapping[str, str]
    now: Callable[[], datetime.datetime]
    count: Callable[[str], None]

    def create(self, request: protocol.CreateNetwork) -> answers.Answer:
        """Make bridge and rules; keep the options, which the engine never sends again. Asked twice, done once."""
        kind, given = allocation.wanted(request, pools=self.engine.pools)
        refusals.refuse_engine(self.engine.version())
        plain = options.network(request.network_id, given, defaults=self.defaults, created=self.now())
        wish = dataclasses.replace(plain, ipam=kind, mtu=self._mtu(plain, given))
        refusals.refuse_choice(wish)
        ipv6.refuse_unserved(wish)
        self.leaser.refuse_unserved(wish)
        if wish.unlisted is model.Unlisted.REGISTER:
            self.registrar.updater(wish, "names")
        if any(network.id == wish.id for network in self.store.networks()):
            return answers.Answer()
        self._make_way(wish)
        network = self._on_the_host(wish)
        with contextlib.ExitStack() as undo:
            # The row goes first, and on its own: of a driver that dies half way, the keeper finds what was begun.
            with self.store.transaction() as transaction:
                _refuse_clash(network, self.store.networks())
                transaction.add_network(network)
            undo.callback(deadline.undo, self.dismantle, network)
            with self.store.transaction():  # nothing to write: it keeps the keeper from doing the same meanwhile
                self._build(network)
            undo.pop_all()
        with contextlib.suppress(model.Cannot):  # it takes a while, and the keeper does what is not done by then
            self.firewalld.ensure(network)
        return answers.Answer()

    def delete(self, request: protocol.NetworkRef) -> answers.Answer:
        """Take away all that the network made, a bridge only if it was made by it; try each step, then complain."""
        network = next((n for n in self.store.networks() if n.id == request.network_id), None)
        if network is not None:
            self.leaser.abandon(network)
            self.dismantle(network)
        else:  # its row may have gone with a state file; its rules would translate for whoever has the subnet next
            self.firewall.delete(request.network_id)
        return answers.Answer()

    def _mtu(self, wish: model.Network, given: Mapping[str, str]) -> int:
        """Return the MTU; one that nobody gave is that of the bridge, if it is there, or of the parent."""
        if f"{options.PREFIX}mtu" not in given and "mtu" not in self.defaults:
            for name in filter(None, (wish.bridge, wish.parent)):
                if (found := self.uplinks.interface(name)) is not None:
                    return found.mtu
        return wish.mtu

    def _on_the_host(self, wish: model.Network) -> model.Network:
        """Return the network with what of it stood before, once that fits; touch nothing."""
        found = None if wish.parent is None else self.uplinks.interface(wish.parent)
        uplink = None if wish.uplink is None else self.uplinks.interface(wish.uplink)
        network = dataclasses.replace(
            wish,
            bridge_made=not self.links.exists(wish.bridge),
            uplink_made=wish.vlan is not None and uplink is None,
        )
        parents.check(network, found=found, uplink=uplink)
        return network

    def _build(self, network: model.Network) -> None:
        if network.bridge_made:
            if network.address is not None:
                self._refuse_overlap(network)
            self.links.ensure_bridge(network)
            if network.uplink is not None:
                self.uplinks.ensure(network)
        else:
            self.links.check_bridge(network)
        self.firewall.ensure(network)
        self.guardian.prepare()

    def _make_way(self, wish: model.Network) -> None:
        """Delete the networks in the wish's way that the engine has no more: their DeleteNetwork never came."""
        while (other := options.clash(wish, self.store.networks())) is not None:
            if other.id in self.engine.network_ids():
                raise options.clashes(wish, other)
            self.dismantle(other)
            self.count("collected.network")

    def _refuse_overlap(self, network: model.Network) -> None:
        """Refuse a subnet of which another interface has an address: its hosts would not be reached any more."""
        if (other := self.links.overlapping(network)) is not None:
            raise model.Cannot(
                f"make the network with {' and '.join(map(str, filter(None, (network.subnet, network.subnet6))))}",
                why=f"{other}, which is part of it or has it as a part",
                hint="give another one with -o fullhost.subnet=…",
                reason=model.Reason.CONFLICT,
            )

    def dismantle(self, network: model.Network) -> None:
        """Take a network away, under the lock, so that the keeper puts nothing back; if a step fails, the row stays."""
        with self.store.transaction() as transaction, contextlib.ExitStack() as steps:
            for endpoint in self.store.endpoints():
                if endpoint.network_id == network.id:
                    steps.callback(self.links.delete_link, naming.veth(endpoint.id).host)
            if network.bridge_made:  # the kernel lets the uplink go, which stays as it is
                steps.callback(self.links.delete_link, network.bridge)
            if network.uplink_made:
                steps.callback(self.links.delete_link, str(network.uplink))
            steps.callback(self.firewall.delete, network.id)
            steps.callback(self.guardian.release, network)
            transaction.remove_network(network.id)
        with contextlib.suppress(model.Cannot):  # what remains in firewalld is a name that nobody bears
            self.firewalld.leave(network)


def _refuse_clash(network: model.Network, standing: tuple[model.Network, ...]) -> None:
    """Look once more, under the write lock: another network may have been made meanwhile."""
    if (other := options.clash(network, standing)) is not None:
        raise options.clashes(network, other)
