"""What keeps machines over time: snapshots, copies, other names, other images, other limits, files to carry away."""

import contextlib
import dataclasses
import typing
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

from launcher import (
    booting,
    exchange,
    fleet,
    inits,
    machines,
    model,
    parcel,
    plan,
    rivalry,
    snapshots,
    specification,
    stock,
)


class Engine(exchange.Engine, typing.Protocol):
    """What of the engine the use cases need."""

    def machines(self) -> tuple[model.Machine, ...]: ...
    def limit(self, name: str, container: str, limits: specification.Limits) -> str: ...


class Depot(typing.Protocol):
    """What of the engine's images the use cases need."""

    def claim(self, machine: model.Machine) -> contextlib.AbstractContextManager[None]: ...
    def commit(self, machine: model.Machine, *, tag: str = "") -> str: ...
    def snapshots(self, name: str = "") -> tuple[stock.Snapshot, ...]: ...
    def call(self, image: str, name: str, tag: str) -> None: ...
    def forget(self, reference: str) -> None: ...
    def sweep(self) -> None: ...
    def renew(self, image: str, script: str) -> str: ...
    def export(self, image: str) -> Iterator[bytes]: ...
    def bring_in(self, tree: Iterable[bytes], labels: Mapping[str, str]) -> str: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Upkeep:
    """The use cases, and what they work with."""

    engine: Engine
    depot: Depot
    operator: machines.Operator

    def snapshot(self, machine: model.Machine, wanted: str) -> model.Result:
        """Keep the files of a machine as they are now."""
        with self._claimed(machine):
            tag = snapshots.tag(machine, self.depot.snapshots(machine.name), wanted)
            self.operator.report(machine.name, f"taking the snapshot {tag}")
            self.depot.commit(machine, tag=tag)
        return model.Result(name=machine.name, done=f"snapshot {tag}")

    def forget(self, name: str, tags: tuple[str, ...]) -> tuple[model.Result, ...]:
        """Remove snapshots; all of `tags` have to be there."""
        there = self.depot.snapshots(name)
        chosen = [snapshots.choose(name, there, tag) for tag in tags]
        for snapshot in chosen:
            self.depot.forget(snapshot.reference)
        return tuple(model.Result(name=name, done=f"snapshot {snapshot.tag} removed") for snapshot in chosen)

    def restore(self, machine: model.Machine, snapshot: stock.Snapshot) -> model.Result:
        """Give a machine the files of a snapshot of it."""
        warnings = self._replace(machine, snapshot.reference, origin=snapshot.image)
        return model.Result(name=machine.name, done=f"restored from {snapshot.tag}", warnings=warnings)

    def rebuild(self, machine: model.Machine, image: str) -> model.Result:
        """Give a machine the files of an image, its own definition's if none is named."""
        network = self.operator.maker.network()
        member = _member(self.operator.maker.fleet(network), machine.name, "rebuild")
        wanted = image or self.operator.maker.spec(member).image
        warnings = self._replace(machine, wanted, origin=wanted)
        return model.Result(name=machine.name, done=f"rebuilt from {wanted}", warnings=warnings)

    def clone(self, machine: model.Machine, text: str) -> model.Result:
        """Make another machine with the files and limits of this one, and an identity of its own."""
        member, network = self._newcomer(text)
        self.operator.report(member.name, f"copying {machine.name}")
        taken = self.depot.commit(machine)
        with self._passing(taken):
            image = self.depot.renew(taken, snapshots.RENEW)
            with self._passing(image):
                warnings = self._establish(member, network, machine, image, runs=True)
        return model.Result(name=member.name, done=f"cloned from {machine.name}", warnings=warnings)

    def rename(self, machine: model.Machine, text: str) -> model.Result:
        """Give a machine another name, and with it another address; it keeps its files, volumes and limits."""
        member, network = self._newcomer(text)
        hold = self.operator.exchange.hold(machine.name, alone=True)
        with hold, contextlib.ExitStack() as undo, self._claimed(machine):
            if machine.runs:
                undo.callback(self._continue, machine)
                self.operator.exchange.ending.end(machine)
            taken = self.depot.commit(machine)
            with self._passing(taken):
                warnings = self._establish(member, network, machine, taken, runs=machine.runs, same=True)
            undo.pop_all()
            self.engine.remove(machine.name, machine.container, force=False)
        for snapshot in self.depot.snapshots(machine.name):
            self.depot.call(snapshot.reference, member.name, snapshot.tag)
            self.depot.forget(snapshot.reference)
        return model.Result(name=machine.name, done=f"is {member.name} now", warnings=warnings)

    def limit(self, machine: model.Machine, limits: specification.Limits) -> model.Result:
        """Set limits of a machine, now and for later starts."""
        warned = self.engine.limit(machine.name, machine.container, limits)
        after = self.engine.find(machine.name) or machine
        return model.Result(name=machine.name, done=snapshots.limited(after), warnings=tuple(filter(None, (warned,))))

    def export(self, machine: model.Machine, progress: Callable[[int], None]) -> Generator[bytes]:
        """Give a machine as one archive, piece by piece."""
        manifest = parcel.Manifest(
            name=machine.name,
            image=machine.image,
            init=self.operator.maker.init(machine).name,
            memory=machine.memory,
            cpus=machine.cpus,
        )
        taken = self.depot.commit(machine)
        with self._passing(taken):
            yield from parcel.packed(manifest, self.depot.export(taken), progress)

    def bring_in(self, source: parcel.Source, text: str, progress: Callable[[int], None]) -> model.Result:
        """Make a machine of an archive: it is the one that was exported, with the name and address it is given."""
        member, network = self._newcomer(text)
        manifest = parcel.opened(source)
        if manifest.init not in inits.INITS:
            raise model.Cannot(f"cannot import {member.name}: fhv does not know its init {manifest.init!r}")
        labels = {
            model.SNAPSHOT_LABEL: manifest.name,
            model.IMAGE_LABEL: manifest.image,
            model.INIT_LABEL: manifest.init,
        }
        image = self.depot.bring_in(parcel.pieces(source, progress), labels)
        with self._passing(image):
            like = model.Machine(
                name=member.name,
                container="",
                state=model.State.EXITED,
                image=manifest.image,
                since="",
                memory=round(manifest.memory),
                cpus=float(manifest.cpus),
            )
            warnings = self._establish(member, network, like, image, runs=True)
        return model.Result(name=member.name, done=f"imported, once {manifest.name}", warnings=warnings)

    def _replace(self, machine: model.Machine, image: str, *, origin: str) -> tuple[str, ...]:
        """Exchange a machine's container for one of another image, with what else is asked of it, and its limits."""
        maker = self.operator.maker
        network = maker.network()
        member = _member(maker.fleet(network), machine.name, "make anew")
        spec = dataclasses.replace(maker.spec(member), image=image, memory=machine.memory, cpus=machine.cpus)
        creation, init = maker.creation(member, network, spec, origin=origin)
        with self.operator.exchange.hold(machine.name, alone=True):
            warnings = self.operator.exchange.replace(machine, creation, init)
        self.depot.sweep()
        return warnings

    def _newcomer(self, text: str) -> tuple[model.Member, model.Network]:
        """Give the machine of the zone that is to be made, which is not there yet."""
        network = self.operator.maker.network()
        member = _member(self.operator.maker.fleet(network), text, "make")
        if self.engine.find(member.name) is not None:
            raise model.Cannot(
                f"cannot make {member.name}: a container of this name is there",
                hint=f"choose another name of the zone, or remove that one: fhv rm {member.name}",
            )
        return member, network

    def _establish(
        self,
        member: model.Member,
        network: model.Network,
        like: model.Machine,
        image: str,
        *,
        runs: bool,
        same: bool = False,
    ) -> tuple[str, ...]:
        """Make a new machine of an image, with limits like those of another one; what does not come up is removed.

        One that is the `same` under another name has its volumes and its networks as well, and is not left to its boot.
        """
        maker = self.operator.maker
        asked = maker.spec(member)
        volumes = (like.volumes if same else ()) or asked.volumes
        spec = dataclasses.replace(asked, image=image, memory=like.memory, cpus=like.cpus, volumes=volumes)
        creation, init = maker.creation(member, network, spec, origin=like.image)
        self.operator.report(member.name, "creating")
        with self.operator.exchange.hold(member.name, alone=True), contextlib.ExitStack() as undo:
            container, warned = self.engine.create(creation)
            undo.callback(self._discard, member.name, container)
            if same:
                self.engine.follow(member.name, like.container, container)
            try:
                booted = self.operator.exchange.boot(member.name, container, init) if runs else ""
            except booting.StillBooting as error:
                if same:
                    raise exchange.impatient(error) from error
                undo.pop_all()
                raise
            undo.pop_all()
        return tuple(filter(None, (warned, booted)))

    def _discard(self, name: str, container: str) -> None:
        with contextlib.suppress(model.Cannot):
            self.engine.remove(name, container, force=True)

    @contextlib.contextmanager
    def _claimed(self, machine: model.Machine) -> Iterator[None]:
        """Keep a machine for a while to this fhv, if it is still the one that was looked at."""
        with self.depot.claim(machine):
            found = self.engine.find(machine.name)
            if found is None or found.container != machine.container:
                raise rivalry.Taken(
                    f"cannot work on {machine.name}: another fhv has exchanged it meanwhile", hint="say it again"
                )
            yield

    def _continue(self, machine: model.Machine) -> None:
        """Start the machine again that was to become another one."""
        self.operator.report(machine.name, "bringing back what was before")
        self.operator.exchange.again(machine)

    @contextlib.contextmanager
    def _passing(self, image: str) -> Iterator[None]:
        """Keep an image for a while; while a machine is made of it, the engine keeps it on."""
        try:
            yield
        finally:
            with contextlib.suppress(model.Cannot):
                self.depot.forget(image)


def _member(zone: fleet.Fleet, text: str, act: str) -> model.Member:
    """Give the machine of the zone that has a name, or say why it cannot be made."""
    try:
        return zone.member(text)
    except model.Cannot as error:
        hint = "choose a name of the zone, or add it there"
        raise model.Cannot(f"cannot {act} {plan.shown(text)}: {str(error).partition(': ')[2]}", hint=hint) from error
