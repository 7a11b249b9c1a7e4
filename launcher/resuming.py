"""The machines of a host that has booted: the engine has started them, and here each is let go in its turn.

The engine is master of who runs: it starts what ran before, and not what somebody has stopped. What is done here is
the order, and what the engine tried in vain, which it does only once.
"""

import dataclasses
import typing
from collections.abc import Mapping

from launcher import machines, model, specification, turns

_STARTED = (model.State.RUNNING, model.State.RESTARTING)
_STOPPED = (model.State.CREATED, model.State.EXITED)
_BOOTED = "booted"  # of one that was up already no delay passes


class Engine(typing.Protocol):
    """What of the engine is needed besides what the operator does."""

    def machines(self) -> tuple[model.Machine, ...]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Orders:
    """What is known of the machines, and what stands against knowing more."""

    members: Mapping[str, model.Member]
    specs: Mapping[str, specification.Spec]
    told: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Resuming:
    """Lets machines go; single ones are the operator's."""

    engine: Engine
    operator: machines.Operator

    def resume(self) -> tuple[model.Result, ...]:
        """Let go every machine that the engine has started or could not start, and wait until they are up."""
        there = {machine.name: machine for machine in self.engine.machines()}
        if not there:
            return ()
        network = self.operator.maker.network()
        orders = self._orders(there, network)
        # Nobody is at the keyboard whose key could be let in.
        watch = dataclasses.replace(self.operator.watch, welcome=lambda machine: "")
        operator = dataclasses.replace(self.operator, watch=watch)
        order, circle = _order(there, orders.specs)
        told = "; ".join(filter(None, (orders.told, circle)))

        def resume(name: str) -> model.Result:
            ours = orders.members.get(name) if there[name].network == network.name else None
            member = ours or operator.maker.alone(name, network)
            held = there[name].state is model.State.RUNNING and watch.held(there[name])
            result = operator.bring_up(member, network, told if name == next(iter(order)) else "")
            return dataclasses.replace(result, done=_BOOTED) if held else result

        return operator.take_turns(order, resume)

    def _orders(self, there: Mapping[str, model.Machine], network: model.Network) -> _Orders:
        """Ask the zone for members and definitions; a machine that it has not, or that says nothing, is as it was."""
        maker = self.operator.maker
        specs = {name: maker.settings.spec(name) for name in there}
        try:
            known = maker.roster(network)
        except model.Cannot as error:
            return _Orders(members={}, specs=specs, told=f"what the zone asks for was not looked at: {error}")
        return _Orders(members=known.fleet.members, specs={**specs, **known.specs})


def _order(
    there: Mapping[str, model.Machine], specs: Mapping[str, specification.Spec]
) -> tuple[Mapping[str, turns.Turn], str]:
    """Give those that are to run their turns: with who ran, also who starts by nothing but that another needs it."""
    wanted = tuple(name for name, machine in there.items() if _resumes(machine))
    try:
        needed = turns.needed(wanted, specs)
        chosen = tuple(name for name in needed if name in wanted or (name in there and not there[name].autostart))
        return turns.decide(chosen, specs), ""
    except model.Cannot as error:  # machines that need each other in a circle ran before, and do so again
        return dict.fromkeys(wanted, turns.Turn()), str(error)


def _resumes(machine: model.Machine) -> bool:
    """Tell what was to run again from what somebody has stopped."""
    tried_in_vain = machine.state in _STOPPED and machine.autostart and bool(machine.error)
    return machine.state in _STARTED or tried_in_vain
