"""A DHCP server is asked: by an interface on the bridge's segment that is there for as long as that takes."""

import contextlib
import dataclasses
import threading
import typing
from collections.abc import Callable, Iterator

from netplugin import binding, deadline, model, naming

Address = binding.Address


class Segment(typing.Protocol):
    """What is done on the segment of a bridge (netplugin.segment)."""

    def plug(self, pair: model.Veth, network: model.Network, *, mac: str, address: Address | None = None) -> None: ...
    def unplug(self, name: str) -> None: ...
    def plugged(self) -> tuple[str, ...]: ...


class Client(typing.Protocol):
    """What asks a DHCP server (netplugin.dhcp)."""

    def check(self) -> None: ...
    def ask(self, interface: str, name: str, *, wish: Address | None, seconds: float) -> binding.Lease | None: ...
    def release(self, interface: str, name: str, address: Address, *, seconds: float) -> bool: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Asker:
    """The asking over its leaves; `asking` are the ports that are in use, and `turns` guards them."""

    segment: Segment
    client: Client
    count: Callable[[str], None]
    asking: set[str] = dataclasses.field(default_factory=set)
    turns: threading.Condition = dataclasses.field(default_factory=threading.Condition)

    def lease(self, name: str, network: model.Network, *, mac: str, wish: Address | None) -> binding.Lease | None:
        """Return what a server leases to a name now, the wished address if it can be; None where all are silent."""
        with self._plugged(name, network, mac=mac) as interface:
            seconds = deadline.left(f"ask for an address of {name}", at_most=deadline.LEASE_SECONDS)
            return self.client.ask(interface, name, wish=wish, seconds=seconds)

    def release(self, tenant: binding.Binding, network: model.Network) -> bool:
        """Tell the server that an address is free again; False where that is not heard, for whatever reason."""
        plugged = self._plugged(tenant.name, network, mac=tenant.mac, address=tenant.address)
        with contextlib.suppress(model.Cannot), plugged as interface:
            seconds = deadline.left(f"give {tenant.address} back", at_most=deadline.UNDO_SECONDS)
            return self.client.release(interface, tenant.name, tenant.address, seconds=seconds)
        return False

    def sweep(self) -> None:
        """Delete what a client that died half way, or its driver, has left."""
        for end in self.segment.plugged():
            with self.turns:  # nobody begins to use it meanwhile
                if end not in self.asking:
                    self.segment.unplug(end)
                    self.count("dhcp.swept")

    @contextlib.contextmanager
    def turn(self, name: str, network: model.Network) -> Iterator[None]:
        """Be the only one who asks for a name: two would have one interface, and one hardware address."""
        port = naming.client(network.id, name).host
        seconds = deadline.left(f"ask for an address of {name}", at_most=deadline.LEASE_SECONDS)
        with self.turns:
            if not self.turns.wait_for(lambda: port not in self.asking, seconds):
                raise model.Cannot(
                    f"ask for an address of {name}",
                    why="it is just being asked for",
                    hint="start it again in a moment",
                    reason=model.Reason.CONFLICT,
                )
            self.asking.add(port)
        try:
            yield
        finally:
            with self.turns:
                self.asking.discard(port)
                self.turns.notify_all()

    @contextlib.contextmanager
    def _plugged(self, name: str, network: model.Network, *, mac: str, address: Address | None = None) -> Iterator[str]:
        """Have an interface on the segment for a while."""
        pair = naming.client(network.id, name)
        self.segment.plug(pair, network, mac=mac, address=address)
        try:
            yield pair.peer
        finally:
            self.segment.unplug(pair.host)
