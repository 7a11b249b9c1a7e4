"""What differs between the zone with its definitions and the machines, and what is done about it."""

import dataclasses
import enum
from collections.abc import Collection, Iterator, Mapping

from launcher import model, plan, roster, specification

_STOPPED = (model.State.CREATED, model.State.EXITED)


class Step(enum.StrEnum):
    """What makes a difference go away."""

    CREATE = "create"
    UPDATE = "update"
    START = "start"
    RESTART = "restart"
    STOP = "stop"
    REBUILD = "rebuild"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One step with one machine, and why; `command` is what a person types where `fhv apply` leaves it alone."""

    name: str
    step: Step
    why: str
    command: str = ""

    @property
    def interrupts(self) -> bool:
        """Tell whether a running machine is ended by it."""
        return not self.command and self.step in (Step.RESTART, Step.STOP)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """All that differs; `refused` are the machines of which it cannot be said, `notes` what a person should know."""

    changes: tuple[Change, ...]
    refused: Mapping[str, model.Cannot]
    notes: tuple[str, ...]

    def of(self, name: str) -> tuple[Change, ...]:
        """Give what `fhv apply` does with a machine, in order."""
        return tuple(change for change in self.changes if change.name == name and not change.command)

    def begins(self, name: str) -> bool:
        """Tell whether a machine is started, which has its turn; limits are set, and machines ended, at any time."""
        return any(change.step not in (Step.UPDATE, Step.STOP) for change in self.of(name))

    @property
    def names(self) -> tuple[str, ...]:
        """The machines that `fhv apply` does something with."""
        return tuple(dict.fromkeys(change.name for change in self.changes if not change.command))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a person asked for: the machines `named`, none for all of the zone; `prune` or not.

    `needed` are these and those that they come after, `up` those of them that are to run.
    """

    named: frozenset[str]
    needed: tuple[str, ...]
    up: frozenset[str]
    prune: bool


def decide(known: roster.Roster, there: Mapping[str, model.Machine], wish: Wish, *, able: Collection[str]) -> Outlook:
    """Compare the zone with the containers that have its machines' names, and with what other machines there are.

    `able` is what the engine can limit here, of memory and cpus: what it discards is no difference, and is told.
    """
    changes: list[Change] = []
    refused: dict[str, model.Cannot] = {}
    for name in wish.needed:
        try:
            found = tuple(_differences(known, name, there.get(name), able=able, up=name in wish.up))
        except model.Cannot as error:
            refused[name] = error
            continue
        asked = not wish.named or name in wish.named
        changes += [change for change in found if asked or change.step in (Step.CREATE, Step.START)]
    if not wish.named:
        changes += _extra(known, there.values(), prune=wish.prune)
    return Outlook(changes=tuple(changes), refused=refused, notes=(*known.notes, *_vain(known, wish, able)))


def _vain(known: roster.Roster, wish: Wish, able: Collection[str]) -> Iterator[str]:
    for what in sorted({"memory", "cpus"} - set(able)):
        asking = [name for name in wish.needed if name in known.specs and getattr(known.specs[name], what)]
        if asking:
            yield f"the kernel of this host lets the engine limit no {what}: nothing limits {', '.join(asking)}"


def _differences(
    known: roster.Roster, name: str, machine: model.Machine | None, *, able: Collection[str], up: bool
) -> Iterator[Change]:
    member, spec = known.fleet.member(name), known.spec(name)
    action = plan.action(machine, name=name)
    if machine is None:
        if up:
            yield Change(name=name, step=Step.CREATE, why=f"it is not there: {_made(member, spec)}")
        return
    if limits := ", ".join(_limits(machine, spec, able)):
        yield Change(name=name, step=Step.UPDATE, why=limits)
    drift = ", ".join(_drift(machine, member))
    if action is plan.Action.NOTHING:
        if drift:
            yield Change(name=name, step=Step.RESTART, why=drift)
    elif up or machine.state not in _STOPPED:
        yield Change(name=name, step=Step.START, why=", ".join(filter(None, (f"it is {machine.state}", drift))))
    if rebuilt := ", ".join(_rebuilt(machine, spec)):
        command = f"fhv rebuild {name}" + (f" --image {spec.image}" if machine.image != spec.image else "")
        yield Change(name=name, step=Step.REBUILD, why=rebuilt, command=command)


def _made(member: model.Member, spec: specification.Spec) -> str:
    words = [spec.image, str(member.addresses)]
    words += [f"memory {specification.size(spec.memory)}"] if spec.memory else []
    words += [f"cpus {spec.cpus:g}"] if spec.cpus else []
    return ", ".join(words)


def _limits(machine: model.Machine, spec: specification.Spec, able: Collection[str]) -> Iterator[str]:
    """Say which limits are others than asked for; where nothing is asked for, they are left as `fhv set` has them."""
    if "memory" in able and spec.memory not in (0, machine.memory):
        had = specification.size(machine.memory) if machine.memory else "without limit"
        yield f"memory {had} -> {specification.size(spec.memory)}"
    if "cpus" in able and spec.cpus and round(spec.cpus * 1e9) != round(machine.cpus * 1e9):
        yield f"cpus {f'{machine.cpus:g}' if machine.cpus else 'without limit'} -> {spec.cpus:g}"
    if spec.autostart != machine.autostart:
        yield f"autostart {str(machine.autostart).lower()} -> {str(spec.autostart).lower()}"


def _drift(machine: model.Machine, member: model.Member) -> Iterator[str]:
    """Say what of DNS a machine has not yet."""
    if any(machine.addresses) and machine.addresses != member.addresses:
        yield f"address {machine.addresses} -> {member.addresses}"
    if set(machine.aliases) != set(member.aliases):
        old, new = (" ".join(sorted(names)) or "none" for names in (machine.aliases, member.aliases))
        yield f"aliases {old} -> {new}"


def _rebuilt(machine: model.Machine, spec: specification.Spec) -> Iterator[str]:
    if machine.image != spec.image:
        yield f"image {machine.image} -> {spec.image}"
    if set(machine.volumes) != set(spec.volumes):
        old, new = (" ".join(sorted(volumes)) or "none" for volumes in (machine.volumes, spec.volumes))
        yield f"volumes {old} -> {new}"
    if machine.resolver != spec.resolver:
        yield f"resolver {machine.resolver} -> {spec.resolver}"


def _extra(known: roster.Roster, there: Collection[model.Machine], *, prune: bool) -> Iterator[Change]:
    """Find the machines that run and whose names the zone does not have, or no longer as machines."""
    unclear = {name for group in known.fleet.refused for name in group}
    for machine in there:
        if machine.name in known.fleet.members or machine.name in unclear or machine.state in _STOPPED:
            continue
        owner = next((m.name for m in known.fleet.members.values() if machine.name in m.aliases), "")
        fact = f"its name is an alias of {owner} now" if owner else f"the zone {known.fleet.zone.domain} has it not"
        command = "" if prune else "fhv apply --prune"
        yield Change(name=machine.name, step=Step.STOP, why=fact, command=command)
