"""What a sysadmin does with machines: start, stop, restart, remove, list, examine."""

import concurrent.futures
import contextlib
import dataclasses
import ipaddress
import typing
from collections.abc import Callable, Mapping

from launcher import booting, config, fleet, inits, model, plan, recognition

_AT_ONCE = 8  # boots are bound by processors, and the engine attaches to one network one by one


class Engine(booting.Engine, typing.Protocol):
    """What of the engine the use cases need, besides looking at a boot."""

    def host(self) -> model.Host: ...
    def network_id(self, name: str) -> str: ...
    def machines(self) -> tuple[model.Machine, ...]: ...
    def create(self, creation: model.Creation) -> tuple[str, str]: ...
    def start(self, name: str, container: str) -> None: ...
    def unpause(self, name: str, container: str) -> None: ...
    def stop(self, name: str, container: str) -> None: ...
    def remove(self, name: str, container: str, *, force: bool) -> None: ...


class Driver(typing.Protocol):
    """What of the driver the use cases need."""

    def status(self) -> model.DriverStatus: ...
    def zone(self, network: str) -> model.Zone: ...
    def record(self, network: str, name: str) -> ipaddress.IPv4Address: ...


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
    images: recognition.Recognition
    driver: Driver
    settings: config.Config
    watch: booting.Watch
    report: Callable[[str, str], None]

    def start(self, names: tuple[str, ...]) -> tuple[model.Result, ...]:
        """Create or continue the machines called `names`, or all of the zone, and wait until they are up."""
        network = self._network()
        wanted = tuple(fleet.short(name, domain=network.domain) for name in names)
        try:
            zone = fleet.decide(self.driver.zone(network.id))
        except model.Cannot as error:
            if not names:
                raise
            unseen = f"whose alias it is, or who is one of it, was not looked at: {error}"
            return self._each(wanted, lambda name: self._start(self._alone(name, network), network, unseen))
        if not names:
            wanted = (*zone.members, *(group[0] for group in zone.refused))
        if not wanted:
            raise model.Cannot(
                f"cannot start any machine: the zone {network.domain} has none in {network.subnet}",
                hint=f"add 'NAME IN A ADDRESS' to the zone {network.domain}",
            )
        return self._each(wanted, lambda name: self._start(zone.member(name), network))

    def stop(self, names: tuple[str, ...]) -> tuple[model.Result, ...]:
        """Have the inits of the machines end them."""
        there = self.engine.machines()
        return self._each(plan.distinct(names, there), lambda name: self._stop(plan.find(there, name, verb="stop")))

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
        init = self._init(machine)
        endpoints: tuple[model.Endpoint, ...] = ()
        try:
            endpoints = self.driver.status().endpoints
            record = str(self.driver.record(self.engine.network_id(machine.network), machine.name))
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

    def _network(self) -> model.Network:
        name = self.settings.common.network
        number = self.engine.network_id(name)
        for network in self.driver.status().networks:
            if network.id == number:
                return dataclasses.replace(network, name=name)
        raise model.Cannot(
            f"cannot use the network {name}: the driver does not know it (was its state file removed?)",
            hint=f"docker network rm {name}, and create it again",
        )

    def _each(self, names: tuple[str, ...], act: Callable[[str], model.Result]) -> tuple[model.Result, ...]:
        """Do the same with several machines at once; a refusal is a result, and the others go on."""

        def attempt(name: str) -> model.Result:
            try:
                return act(name)
            except model.Cannot as error:
                return model.Result(name=name, refused=error)

        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            try:
                return tuple(pool.map(attempt, dict.fromkeys(names)))
            except BaseException:
                self.watch.interrupted.set()
                raise

    def _alone(self, name: str, network: model.Network) -> model.Member:
        """Give a machine where the zone cannot be transferred: it keeps its aliases, and a new one has a record."""
        found = self.engine.find(name)
        if found is not None and found.ours:
            return model.Member(name=name, address=found.address, aliases=found.aliases)
        return model.Member(name=name, address=self.driver.record(network.id, name))

    def _start(self, member: model.Member, network: model.Network, told: str = "") -> model.Result:
        """Bring a machine up; one that another fhv creates at the same time is continued."""
        found = self.engine.find(member.name)
        try:
            result = self._bring_up(member, network, found)
        except model.Cannot as error:
            again = found is None and not isinstance(error, booting.StillBooting)
            theirs = self.engine.find(member.name) if again else None
            if theirs is None or not theirs.ours:
                raise
            result = self._bring_up(member, network, theirs)
        return dataclasses.replace(result, warnings=tuple(filter(None, (*result.warnings, told))))

    def _bring_up(self, member: model.Member, network: model.Network, found: model.Machine | None) -> model.Result:
        name = member.name
        action = plan.action(found, name=name)
        with contextlib.ExitStack() as undo:
            if found is None:
                self.report(name, "creating")
                container, init, warned = self._create(member, network)
                undo.callback(self._discard, name, container)
            else:
                container, init, warned = found.container, self._init(found), plan.drift(found, member)
            match action:
                case plan.Action.CREATE | plan.Action.START:
                    self.report(name, "starting")
                    self.engine.start(name, container)
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
        return model.Result(name=name, done=plan.DONE[action], warnings=tuple(filter(None, (warning, warned))))

    def _discard(self, name: str, container: str) -> None:
        """Remove what was made just now, if that can be: why it has to go is what a person should hear."""
        with contextlib.suppress(model.Cannot):
            self.engine.remove(name, container, force=True)

    def _create(self, member: model.Member, network: model.Network) -> tuple[str, inits.Init, str]:
        spec = self.settings.spec(member.name)
        init = self.images.of(spec.image)
        boot = inits.boot(init, self.engine.host())
        container, warned = self.engine.create(plan.creation(member, spec, network, boot))
        return container, init, warned

    def _init(self, machine: model.Machine) -> inits.Init:
        return inits.INITS.get(machine.init) or self.images.of(machine.image)

    def _stop(self, machine: model.Machine) -> model.Result:
        name = machine.name
        if machine.state in (model.State.CREATED, model.State.EXITED):
            return model.Result(name=name, done="stopped already")
        self.report(name, "stopping")
        self.engine.stop(name, machine.container)
        after = self.engine.find(name)
        killed = after is not None and after.exit_code == plan.KILLED
        return model.Result(name=name, done="stopped", warnings=(plan.HAD_TO_BE_KILLED,) if killed else ())

    def _restart(self, machine: model.Machine) -> model.Result:
        stopped = self._stop(machine)
        self.report(machine.name, "starting")
        self.engine.start(machine.name, machine.container)
        init = self._init(machine)
        self.report(machine.name, f"waiting for {init.name}")
        warning = self.watch.until_up(machine.name, machine.container, init)
        return model.Result(
            name=machine.name, done="restarted", warnings=tuple(filter(None, (*stopped.warnings, warning)))
        )

    def _remove(self, machine: model.Machine, *, force: bool) -> model.Result:
        if machine.state in (model.State.RUNNING, model.State.PAUSED, model.State.RESTARTING) and not force:
            raise model.Cannot(
                f"cannot remove {machine.name}: it is {machine.state}",
                hint=f"fhv stop {machine.name} first, or fhv rm --force {machine.name}",
            )
        self.engine.remove(machine.name, machine.container, force=force)
        return model.Result(name=machine.name, done="removed")
