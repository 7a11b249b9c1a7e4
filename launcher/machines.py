"""What a sysadmin does with machines: start, stop, restart, remove, list, examine."""

import contextlib
import dataclasses
import typing
from collections.abc import Callable, Mapping

from launcher import booting, exchange, fleet, inits, making, model, parallel, plan, rivalry, turns

_NAP_SECONDS = 0.5
_MOMENTS = 20


class Engine(exchange.Engine, typing.Protocol):
    """What of the engine the use cases need, besides what an exchange does."""

    def host(self) -> model.Host: ...
    def network_id(self, name: str) -> str: ...
    def machines(self) -> tuple[model.Machine, ...]: ...
    def unpause(self, name: str, container: str) -> None: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """One machine from all sides; `init_says` and `record` hold a refusal's sentence where nothing else is known."""

    machine: model.Machine
    init_says: str
    record: str
    endpoint: model.Endpoint | None
    capabilities: Mapping[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Operator:
    """The use cases, and what they work with; `report` hears of each step as (machine, step)."""

    engine: Engine
    maker: making.Maker
    exchange: exchange.Exchange
    watch: booting.Watch
    report: Callable[[str, str], None]

    def start(self, names: tuple[str, ...]) -> tuple[model.Result, ...]:
        """Create or continue the machines called `names` and those they need, and wait until they are up.

        Without names: the machines of the zone that are to start by themselves.
        """
        network = self.maker.network()
        wanted = tuple(fleet.short(name, domain=network.domain) for name in names)
        try:
            known = self.maker.roster(network)
        except model.Cannot as error:
            if not names:
                raise
            unseen = f"what the zone says of its aliases was not looked at: {error}"
            return self._each(wanted, lambda name: self.bring_up(self.maker.alone(name, network), network, unseen))
        wanted = turns.needed(wanted, known.specs) if names else known.wanted()
        if not wanted and not known.fleet.members:
            raise model.Cannot(
                f"cannot start any machine: the zone {network.domain} has none in {network.subnet}",
                hint=f"add 'NAME IN A ADDRESS' to the zone {network.domain}",
            )
        order = turns.decide(wanted, known.specs)
        return self.take_turns(order, lambda name: self.bring_up(known.fleet.member(name), network))

    def stop(self, names: tuple[str, ...]) -> tuple[model.Result, ...]:
        """Have the inits of the machines end them."""
        there = self.engine.machines()
        return self._each(plan.distinct(names, there), lambda name: self.end(plan.find(there, name, verb="stop")))

    def restart(self, names: tuple[str, ...]) -> tuple[model.Result, ...]:
        """Stop and start the machines, and wait until they are up."""
        there = self.engine.machines()
        return self._each(
            plan.distinct(names, there), lambda name: self._restart(plan.find(there, name, verb="restart"))
        )

    def remove(self, names: tuple[str, ...], *, force: bool) -> tuple[model.Result, ...]:
        """Remove the machines with all that is in them, running ones only by force."""
        there = self.engine.machines()
        wanted = plan.distinct(names, there)
        return self._each(wanted, lambda name: self._remove(plan.find(there, name, verb="rm"), force=force))

    def find(self, name: str, *, verb: str, running: bool = False) -> model.Machine:
        """Give the machine that a person means by `name`."""
        machine = plan.find(self.engine.machines(), name, verb=verb)
        if running and machine.state != model.State.RUNNING:
            raise model.Cannot(
                f"cannot {plan.act(verb)} {machine.name}: it is {machine.state}", hint=f"fhv start {machine.name}"
            )
        return machine

    def examine(self, name: str) -> Examination:
        """Look at one machine from all sides; what cannot be seen is told in its place."""
        machine = self.find(name, verb="status")
        init = self.maker.init(machine)
        endpoints: tuple[model.Endpoint, ...] = ()
        try:
            endpoints = self.maker.driver.status().endpoints
            record = str(self.maker.driver.record(self.engine.network_id(machine.network), machine.name))
        except model.Cannot as error:
            record = str(error)
        reasons = inits.boot(init, self.engine.host()).capabilities
        return Examination(
            machine=machine,
            init_says=str(self.watch.glance(machine, init)),
            record=record,
            endpoint=next((endpoint for endpoint in endpoints if endpoint.id == machine.endpoint), None),
            capabilities={name: reasons.get(name, "not by fhv") for name in machine.capabilities},
        )

    def _each(self, names: tuple[str, ...], act: Callable[[str], model.Result]) -> tuple[model.Result, ...]:
        """Do the same with several machines at once; a refusal is a result, and the others go on."""
        return self.take_turns(dict.fromkeys(names, turns.Turn()), act)

    def take_turns(
        self, order: Mapping[str, turns.Turn], act: Callable[[str], model.Result]
    ) -> tuple[model.Result, ...]:
        """Do the same with several machines, each in its turn."""

        def held(name: str) -> model.Result:
            with self.exchange.hold(name):
                return act(name)

        return parallel.each(order, held, rest=self._rest, interrupted=self.watch.interrupted)

    def _rest(self, name: str, seconds: float) -> None:
        """Let the delay of a machine pass, in naps: Ctrl-C is not to wait for its end."""
        self.report(name, f"up; {seconds:g} seconds until the next")
        until = self.watch.clock.now() + seconds
        while (left := until - self.watch.clock.now()) > 0 and not self.watch.interrupted.is_set():
            self.watch.clock.sleep(min(left, _NAP_SECONDS))

    def bring_up(self, member: model.Member, network: model.Network, told: str = "") -> model.Result:
        """Bring a machine up; one that another fhv creates at the same time is continued."""
        returned = self.exchange.recover(member.name)
        found = self.engine.find(member.name)
        try:
            result = self._bring_up(member, network, found)
        except model.Cannot as error:
            again = found is None and not isinstance(error, booting.StillBooting)
            theirs = self._theirs(member.name, error) if again else None
            if theirs is None or not theirs.ours:
                raise
            result = self._bring_up(member, network, theirs)
        settled = self.exchange.settle(member.name)
        return dataclasses.replace(result, warnings=tuple(filter(None, (*result.warnings, told, returned, settled))))

    def _theirs(self, name: str, error: model.Cannot) -> model.Machine | None:
        """Find what another fhv creates; the engine gives the name away a moment before it shows who has it."""
        found = self.engine.find(name)
        for _ in range(_MOMENTS if isinstance(error, rivalry.Taken) else 0):
            if found is not None:
                break
            self.watch.clock.sleep(_NAP_SECONDS)
            found = self.engine.find(name)
        return found

    def _bring_up(self, member: model.Member, network: model.Network, found: model.Machine | None) -> model.Result:
        name, told = member.name, ""
        action = plan.action(found, name=name)
        with contextlib.ExitStack() as undo:
            if found is None:
                self.report(name, "creating")
                container, init, warned = self._create(member, network)
                undo.callback(self._discard, name, container)
            else:
                container, init, warned = found.container, self.maker.init(found), plan.drift(found, member)
            match action:
                case plan.Action.CREATE | plan.Action.START:
                    self.report(name, "starting")
                    told = self.engine.start(name, container)
                case plan.Action.UNPAUSE:
                    self.engine.unpause(name, container)
                case plan.Action.NOTHING:
                    pass
            try:
                self.report(name, f"waiting for {init.name}")
                warning = self.watch.until_up(name, container, init)
            except booting.StillBooting:
                undo.pop_all()
                raise
            undo.pop_all()
        return model.Result(name=name, done=plan.DONE[action], warnings=tuple(filter(None, (told, warning, warned))))

    def _discard(self, name: str, container: str) -> None:
        """Remove what was made just now, if that can be: why it has to go is what a person should hear."""
        with contextlib.suppress(model.Cannot):
            self.engine.remove(name, container, force=True)

    def _create(self, member: model.Member, network: model.Network) -> tuple[str, inits.Init, str]:
        creation, init = self.maker.creation(member, network, self.maker.spec(member))
        container, warned = self.engine.create(creation)
        return container, init, warned

    def end(self, machine: model.Machine) -> model.Result:
        """Have the init of a machine end it."""
        name = machine.name
        if machine.state in (model.State.CREATED, model.State.EXITED):
            return model.Result(name=name, done="stopped already")
        return model.Result(name=name, done="stopped", warnings=self.exchange.ending.end(machine))

    def _restart(self, machine: model.Machine) -> model.Result:
        stopped = self.end(machine)
        warning = self.exchange.boot(machine.name, machine.container, self.maker.init(machine))
        return model.Result(
            name=machine.name, done="restarted", warnings=tuple(filter(None, (*stopped.warnings, warning)))
        )

    def _remove(self, machine: model.Machine, *, force: bool) -> model.Result:
        if machine.runs and not force:
            raise model.Cannot(
                f"cannot remove {machine.name}: it is {machine.state}",
                hint=f"fhv stop {machine.name} first, or fhv rm --force {machine.name}",
            )
        self.engine.remove(machine.name, machine.container, force=force)
        return model.Result(name=machine.name, done=plan.removed(machine), warnings=self._unexpose(machine))

    def _unexpose(self, machine: model.Machine) -> tuple[str, ...]:
        """Take the ports of the host from a machine that is gone; return what could not be done."""
        try:
            network = self.engine.network_id(machine.network)
        except model.Cannot:  # it is on none of ours, and has none
            return ()
        try:
            self.maker.driver.unexpose(network, machine.name, ())
        except model.Cannot as error:
            return (f"its ports may be exposed still ({error}): fhv unexpose {machine.name}",)
        return ()
