"""The fleet made as the zone and its definitions say: look, decide, and act in the machines' turns."""

import dataclasses
import typing
from collections.abc import Mapping

from launcher import differences, fleet, machines, model, roster, specification, turns

_DONE = {
    differences.Step.UPDATE: "updated",
    differences.Step.RESTART: "restarted",
    differences.Step.STOP: "stopped",
}


class Engine(typing.Protocol):
    """What of the engine is needed besides what the operator does."""

    def find(self, name: str) -> model.Machine | None: ...
    def machines(self) -> tuple[model.Machine, ...]: ...
    def able(self) -> frozenset[str]: ...
    def limit(self, name: str, container: str, limits: specification.Limits) -> str: ...
    def rejoin(self, machine: model.Machine, aliases: tuple[str, ...]) -> None: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What was found and what is to be done about it."""

    network: model.Network
    roster: roster.Roster
    there: Mapping[str, model.Machine]
    outlook: differences.Outlook


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Applier:
    """Surveys and applies; single machines are the operator's."""

    engine: Engine
    operator: machines.Operator

    def survey(self, names: tuple[str, ...], *, prune: bool) -> Survey:
        """Compare the zone, or the machines `names` of it with those that they need, with the engine."""
        network = self.operator.maker.network()
        known = self.operator.maker.roster(network)
        named = frozenset(fleet.short(name, domain=network.domain) for name in names)
        refused = {} if names else dict(known.unclear)
        for name in sorted(named):
            try:
                known.fleet.member(name)
            except model.Cannot as error:
                refused[name] = error
        needed = turns.needed(sorted(named - refused.keys()) if names else tuple(known.fleet.members), known.specs)
        up = frozenset(needed if names else known.wanted())
        wish = differences.Wish(named=named, needed=needed, up=up, prune=prune)
        there = self._there(wish.needed, network)
        outlook = differences.decide(known, there, wish, able=self.engine.able())
        outlook = dataclasses.replace(outlook, refused={**outlook.refused, **refused})
        return Survey(network=network, roster=known, there=there, outlook=outlook)

    def _there(self, needed: tuple[str, ...], network: model.Network) -> Mapping[str, model.Machine]:
        """Find the machines of the network, and whatever else has a name that a machine is to have."""
        there = {m.name: m for m in self.engine.machines() if m.name in needed or m.network == network.name}
        strangers = {name: self.engine.find(name) for name in needed if name not in there}
        return there | {name: found for name, found in strangers.items() if found is not None}

    def apply(self, survey: Survey) -> tuple[model.Result, ...]:
        """Do what the survey has decided; what cannot be done is named, and the rest is done all the same."""
        outlook, known = survey.outlook, survey.roster
        specs = {name: known.specs[name] for name in outlook.names if outlook.begins(name)}
        # Machines of which nothing can be said have a turn as well: those that come after them have to know.
        order = turns.decide((*outlook.names, *outlook.refused), specs)
        return self.operator.take_turns(order, lambda name: self._apply(survey, name))

    def _apply(self, survey: Survey, name: str) -> model.Result:
        if name in survey.outlook.refused:
            raise survey.outlook.refused[name]
        done: list[str] = []
        warnings: list[str] = []
        for change in survey.outlook.of(name):
            result = self._step(survey, change)
            done.append(_DONE.get(change.step, result.done))
            warnings += result.warnings
        return model.Result(name=name, done=", ".join(done), warnings=tuple(warnings))

    def _step(self, survey: Survey, change: differences.Change) -> model.Result:
        name, machine = change.name, survey.there.get(change.name)
        match change.step:
            case differences.Step.UPDATE if machine:
                warned = self.engine.limit(name, machine.container, _limits(survey.roster.specs[name], machine))
                return model.Result(name=name, warnings=(warned,) if warned else ())
            case differences.Step.STOP if machine:
                return self.operator.end(machine)
            case differences.Step.RESTART if machine:
                ended = self.operator.end(machine)
                up = self._bring_up(survey, name)
                return dataclasses.replace(up, warnings=(*ended.warnings, *up.warnings))
            case _:
                return self._bring_up(survey, name)

    def _bring_up(self, survey: Survey, name: str) -> model.Result:
        member, machine = survey.roster.fleet.member(name), self.engine.find(name)
        stopped = machine is not None and machine.state in (model.State.CREATED, model.State.EXITED)
        if machine is not None and machine.ours and stopped and set(machine.aliases) != set(member.aliases):
            self.engine.rejoin(machine, member.aliases)
        return self.operator.bring_up(member, survey.network)


def _limits(spec: specification.Spec, machine: model.Machine) -> specification.Limits:
    """Give the limits that are said and that the machine has not."""
    return specification.Limits(
        memory=spec.memory if spec.memory not in (0, machine.memory) else None,
        cpus=spec.cpus if spec.cpus not in (0, machine.cpus) else None,
        autostart=spec.autostart if spec.autostart != machine.autostart else None,
    )
