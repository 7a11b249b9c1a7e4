"""The machines of the zone with what is asked of each: who is to run, and what cannot be."""

import dataclasses
from collections.abc import Mapping

from launcher import config, fleet, model, specification, turns


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Roster:
    """The zone with definitions; `refused` are the machines that are asked for what cannot be, by name."""

    fleet: fleet.Fleet
    specs: Mapping[str, specification.Spec]
    refused: Mapping[str, model.Cannot]
    notes: tuple[str, ...]

    @property
    def unclear(self) -> Mapping[str, model.Cannot]:
        """The names of which the zone does not say what they are, one for each group."""
        return {group[0]: refusal for group, refusal in self.fleet.refused.items()}

    def wanted(self) -> tuple[str, ...]:
        """Give the machines that start by themselves, those that they need, and what is refused, to be told."""
        automatic = [name for name in self.fleet.members if name in self.refused or self.specs[name].autostart]
        return (*turns.needed(automatic, self.specs), *self.unclear)

    def spec(self, name: str) -> specification.Spec:
        """Give what is asked of a machine, or say why that cannot be."""
        if name in self.refused:
            raise self.refused[name]
        return self.specs[name]


def of(zone: fleet.Fleet, settings: config.Config) -> Roster:
    """Lay the definitions over the zone; a refused one leaves the others alone."""
    specs: dict[str, specification.Spec] = {}
    refused: dict[str, model.Cannot] = {}
    for name, member in zone.members.items():
        try:
            specs[name] = settings.spec(name, member.texts)
        except model.Cannot as error:
            refused[name] = error
    for name, spec in tuple(specs.items()):
        for other in spec.after:
            if other not in zone.members:
                refused[name] = _stranger(name, other, zone)
                del specs[name]
                break
    return Roster(fleet=zone, specs=specs, refused=refused, notes=_notes(zone, settings))


def _stranger(name: str, other: str, zone: fleet.Fleet) -> model.Cannot:
    machine = next((m.name for m in zone.members.values() if other in m.aliases), "")
    fact = f"is an alias of the machine {machine}" if machine else "is no machine of the zone"
    hint = f"write {machine} instead" if machine else f"add {other} to the zone, or take it out of the after of {name}"
    return model.Cannot(f"cannot make {name}: it comes after {other}, which {fact}", hint=hint)


def _notes(zone: fleet.Fleet, settings: config.Config) -> tuple[str, ...]:
    """Name what is written for nobody: most often a name that is written wrong."""
    unclear = {name for group in zone.refused for name in group}
    sections = [f"[machine.{name}] in fhv.toml" for name in settings.machines if name not in zone.members]
    records = [f"the TXT record of _fhv.{name}" for name in sorted(zone.zone.texts.keys() - zone.members.keys())]
    known = {*(f"[machine.{name}] in fhv.toml" for name in unclear), *(f"the TXT record of _fhv.{n}" for n in unclear)}
    return tuple(
        f"{what} is of no machine of the zone {zone.zone.domain}" for what in (*sections, *records) if what not in known
    )
