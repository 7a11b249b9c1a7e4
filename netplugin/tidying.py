"""What was registered goes when its container is removed, and follows one that is renamed; silence removes nothing."""

import dataclasses
import datetime
import logging
import typing
from collections.abc import Callable, Mapping

from netplugin import absence, model, naming, patrol, registrar, registration, store

CLAIMED = datetime.timedelta(seconds=10)  # more than a call takes: what is still claiming then is of a driver that died
_OPTIONED = {model.Rung.OPTION, model.Rung.ADDRESS}
_log = logging.getLogger("fullhost")
_Phase = registration.Phase


class Engine(typing.Protocol):
    """What is asked of the engine (netplugin.engine)."""

    def containers(self) -> tuple[registration.Container, ...]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Tidier:
    """The tidying over its leaves. `told` has, by host, what could not be done, told once; `fhv status` shows it."""

    store: store.Store
    engine: Engine
    registrar: registrar.Registrar
    now: Callable[[], datetime.datetime]
    count: Callable[[str], None]
    absences: absence.Absences = dataclasses.field(default_factory=absence.Absences)
    told: dict[str, str] = dataclasses.field(default_factory=dict)

    def run(self, seconds: float) -> None:
        """Make a pass every so many seconds, for ever, in a thread of its own: engine and DNS may take their time."""
        patrol.for_ever(self.look, seconds=seconds, name="tidy", count=self.count)

    def look(self) -> None:
        """Make one pass: learn whose each registration is, follow names, and let go what is nobody's."""
        rows = self.store.registrations()
        if not rows:
            return
        if any(row.phase is _Phase.HELD for row in rows):
            try:
                containers = {container.id: container for container in self.engine.containers()}
            except model.Cannot as error:
                _log.debug("%s", error)
                self.absences.forget(self.now())
            else:
                rows = tuple(self._learn(row, containers) for row in rows)
                self._follow(rows, containers)
                self._forsake(rows, containers)
        self._release()

    def _learn(
        self, row: registration.Registration, containers: Mapping[str, registration.Container]
    ) -> registration.Registration:
        """Write down whose endpoint has the name now; a machine that is rebuilt is another container."""
        endpoint = self._endpoint(row)
        container = next((c for c in containers.values() if endpoint and endpoint.id in c.endpoints), None)
        if row.phase is not _Phase.HELD or endpoint is None or container is None:
            return row
        known = dataclasses.replace(row, container=container.id, own=endpoint.rung not in _OPTIONED)
        if known != row:
            with self.store.transaction() as transaction:
                transaction.register(known)
        return known

    def _follow(
        self, rows: tuple[registration.Registration, ...], containers: Mapping[str, registration.Container]
    ) -> None:
        """Have the records follow containers that were renamed; one that does not run is registered at its start."""
        for row in rows:
            container = containers.get(row.container or "")
            if row.phase is not _Phase.HELD or not row.own or container is None:
                continue
            try:
                name = naming.label(container.name, domain=row.domain)
                if name == row.name:
                    self.told.pop(row.host, None)
                    continue
                if self._endpoint(row) is None:
                    self._leave(row, f"its container is now {name}")
                elif self.registrar.rename(row, name):
                    self.told.pop(row.host, None)
                else:
                    self._tell(row.host, f"{row.host} stays: its container is now {name}, which the zone has already")
            except model.Cannot as error:
                self._tell(row.host, str(error))

    def _forsake(
        self, rows: tuple[registration.Registration, ...], containers: Mapping[str, registration.Container]
    ) -> None:
        """Let go what no container is the owner of, at two looks in turn."""
        names = {container.name.lower() for container in containers.values()}
        absent = {
            _key(row): row.created
            for row in rows
            if row.phase is _Phase.HELD
            and row.container not in containers
            and not names & {row.name, f"{row.name}.{row.domain}"}
            and self._endpoint(row) is None
        }
        gone = self.absences.gone(absent, now=self.now())
        for row in rows:
            if _key(row) in gone:
                self._leave(row, "its container was removed")

    def _leave(self, row: registration.Registration, why: str) -> None:
        with self.store.transaction() as transaction:
            transaction.register(dataclasses.replace(row, phase=_Phase.LEAVING))
        self.count("registered.left")
        _log.warning("%s at %s goes from the zone: %s", row.host, row.addresses, why)

    def _release(self) -> None:
        """Take out of the zones what is to go; a server that does not answer is asked once in a pass.

        One that refuses an update of one zone may make those of others.
        """
        silent: set[model.Server] = set()
        for row in self.store.registrations():
            dead = row.phase is _Phase.CLAIMING and self.now() - row.created >= CLAIMED
            if row.server in silent or not (dead or row.phase is _Phase.LEAVING):
                continue
            try:
                self.registrar.release(row)
                self.told.pop(row.host, None)
            except model.Cannot as error:
                if error.reason is model.Reason.UNAVAILABLE:
                    silent.add(row.server)
                self._tell(row.host, str(error))

    def _endpoint(self, row: registration.Registration) -> model.Endpoint | None:
        """Return the endpoint that has the name, on the network of the registration."""
        return self.store.named(row.network_id, row.name)

    def _tell(self, host: str, what: str) -> None:
        if self.told.get(host) != what:
            self.count("register.failed")
            _log.warning("%s", what)
        self.told[host] = what


def _key(row: registration.Registration) -> str:
    return f"{row.network_id} {row.address}"
