"""Leases of machines that run are renewed, those of containers that are gone are given back; silence ends nothing."""

import contextlib
import dataclasses
import datetime
import logging
import typing
from collections.abc import Callable, Mapping

from netplugin import absence, binding, leasing, model, patrol, registration, store

_log = logging.getLogger("fullhost")


class Engine(typing.Protocol):
    """What is asked of the engine (netplugin.engine)."""

    def containers(self) -> tuple[registration.Container, ...]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Renewer:
    """The renewal over its leaves; `wake` has the keeper look at once.

    `told` has, by lease, what stands against its renewal, told once; `fhv status` shows it. `tried` has, by lease, when
    it was asked for the last time.
    """

    store: store.Store
    engine: Engine
    leaser: leasing.Leaser
    now: Callable[[], datetime.datetime]
    count: Callable[[str], None]
    wake: Callable[[], None]
    absences: absence.Absences = dataclasses.field(default_factory=absence.Absences)
    told: dict[str, str] = dataclasses.field(default_factory=dict)
    tried: dict[str, datetime.datetime] = dataclasses.field(default_factory=dict)

    def run(self, seconds: float) -> None:
        """Make a pass every so many seconds, for ever, in a thread of its own: servers may take their time."""
        patrol.for_ever(self.look, seconds=seconds, name="dhcp", count=self.count)

    def look(self) -> None:
        """Make one pass; what an earlier life of the driver left half done goes first."""
        self.leaser.asker.sweep()
        bindings = self.store.bindings()
        for over in self.told.keys() - {bound.key for bound in bindings}:
            if over.startswith("lease "):
                del self.told[over]
        if not bindings:
            return
        self._tidy(bindings)
        silent: set[str] = set()
        for bound in self.store.bindings():
            if self._endpoint(bound) is None:
                continue
            if self.now() < bound.renewal:
                self.told.pop(bound.key, None)
            elif bound.network_id not in silent and self._patient(bound) and not self._renew(bound):
                silent.add(bound.network_id)

    def _patient(self, bound: binding.Binding) -> bool:
        """Tell whether the last attempt, if there was one, is long enough ago."""
        tried = self.tried.get(bound.key)
        return tried is None or self.now() - tried >= bound.retry

    def _renew(self, bound: binding.Binding) -> bool:
        """Renew a lease; False where no server answered. Whose lease is over keeps its address, with a warning.

        To take it away would cut a machine off because a server is down; while that is down, nobody else gets it.
        """
        self.tried[bound.key] = self.now()
        try:
            renewed = self.leaser.renew(bound, self.store.network(bound.network_id))
        except model.Cannot as error:
            self._tell(bound, f"the lease of {bound.address} by {bound.name} is not renewed: {error}")
            return True
        if renewed is None:
            over = "ends" if bound.holds(self.now()) else "was over"
            when = f"{over} at {bound.expires:%Y-%m-%d %H:%M:%S} UTC"
            what = f"no DHCP server answers, and the lease of {bound.address} by {bound.name} {when}"
            self._tell(bound, f"{what}; see the server at {bound.server}")
            return False
        if renewed.address == bound.address:
            self.told.pop(bound.key, None)
        else:
            self._change(bound, renewed)
        return True

    def _change(self, bound: binding.Binding, renewed: binding.Binding) -> None:
        """Have the keeper move a machine to another address: the server does not let it have the one that it has."""
        endpoint = self._endpoint(bound)
        if endpoint is not None:
            with self.store.transaction() as writes:
                writes.unsettle(endpoint.id)
            self.wake()
        self.count("dhcp.changed")
        what = f"the DHCP server {renewed.server} does not renew {bound.address} of {bound.name}"
        self._tell(bound, f"{what}, and leases it {renewed.address}: its container is moved there")

    def _tidy(self, bindings: tuple[binding.Binding, ...]) -> None:
        """Learn whose the leases are, and give back what no container is the owner of, at two looks in turn."""
        try:
            containers = {container.id: container for container in self.engine.containers()}
        except model.Cannot as error:
            _log.debug("%s", error)
            self.absences.forget(self.now())
            return
        known = [self._learn(bound, containers) for bound in bindings]
        names = {container.name.lower().partition(".")[0] for container in containers.values()}
        absent = {
            bound.key: bound.obtained
            for bound in known
            if bound.container not in containers and bound.name not in names and self._held(bound) is None
        }
        gone = self.absences.gone(absent, now=self.now())
        for bound in known:
            if bound.key in gone:
                with contextlib.suppress(model.Cannot):  # its network may be gone, or somebody just asks for the name
                    self.leaser.give_back(bound, "its container was removed")

    def _learn(self, bound: binding.Binding, containers: Mapping[str, registration.Container]) -> binding.Binding:
        """Write down which container has the lease; a machine that is rebuilt is another one."""
        endpoint = self._endpoint(bound)
        container = next((c for c in containers.values() if endpoint and endpoint.id in c.endpoints), None)
        if container is None or container.id == bound.container:
            return bound
        with self.store.transaction() as writes:
            writes.own(bound, container.id)
        return dataclasses.replace(bound, container=container.id)

    def _endpoint(self, bound: binding.Binding) -> model.Endpoint | None:
        """Return the endpoint that has the leased address, None where none has it, or no longer."""
        endpoint = self._held(bound)
        return endpoint if endpoint is not None and endpoint.address == bound.address and not endpoint.left else None

    def _held(self, bound: binding.Binding) -> model.Endpoint | None:
        """Return the endpoint that has the name, on the network of the lease."""
        return self.store.named(bound.network_id, bound.name)

    def _tell(self, bound: binding.Binding, what: str) -> None:
        if self.told.get(bound.key) != what:
            self.count("dhcp.told")
            _log.warning("%s", what)
        self.told[bound.key] = what
