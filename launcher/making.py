"""What a machine is made for and of: the network, its zone, the definition, the image's init, the host."""

import dataclasses
import typing

from launcher import config, fleet, inits, inventory, model, pairs, plan, recognition, roster, specification


class Engine(typing.Protocol):
    """What of the engine is asked before a machine is made."""

    def host(self) -> model.Host: ...
    def network_id(self, name: str) -> str: ...
    def find(self, name: str) -> model.Machine | None: ...


class Driver(typing.Protocol):
    """What of the driver the use cases need."""

    def status(self) -> model.DriverStatus: ...
    def zone(self, network: str) -> inventory.Zone: ...
    def record(self, network: str, name: str) -> pairs.Pair: ...
    def unexpose(self, network: str, name: str, ports: tuple[str, ...]) -> tuple[str, ...]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Maker:
    """Gathers what the creation of a machine takes, and makes nothing yet."""

    engine: Engine
    driver: Driver
    settings: config.Config
    images: recognition.Recognition

    def network(self) -> model.Network:
        """Give the network of the settings, as the driver knows it."""
        name = self.settings.common.network
        number = self.engine.network_id(name)
        for network in self.driver.status().networks:
            if network.id == number:
                return dataclasses.replace(network, name=name)
        raise model.Cannot(
            f"cannot use the network {name}: the driver does not know it (was its state file removed?)",
            hint=f"docker network rm {name}, and create it again",
        )

    def fleet(self, network: model.Network) -> fleet.Fleet:
        """Give what the zone of the network says now."""
        return fleet.decide(self.driver.zone(network.id))

    def roster(self, network: model.Network) -> roster.Roster:
        """Give the same with what is asked of each machine."""
        return roster.of(self.fleet(network), self.settings)

    def alone(self, name: str, network: model.Network) -> model.Member:
        """Give a machine where the zone cannot be transferred: it keeps its aliases, and a new one has a record."""
        found = self.engine.find(name)
        if found is not None and found.ours:
            return model.Member(name=name, address=found.address, address6=found.address6, aliases=found.aliases)
        given = self.driver.record(network.id, name)
        return model.Member(name=name, address=given.four, address6=given.six)

    def spec(self, member: model.Member) -> specification.Spec:
        """Give what is asked of a machine."""
        return self.settings.spec(member.name, member.texts)

    def creation(
        self, member: model.Member, network: model.Network, spec: specification.Spec, *, origin: str = ""
    ) -> tuple[model.Creation, inits.Init]:
        """Give everything that makes the machine of the image in `spec`; `origin` is what that one came from."""
        init = self.images.of(spec.image)
        boot = inits.boot(init, self.engine.host())
        return plan.creation(member, spec, network, boot, origin=origin or spec.image), init

    def init(self, machine: model.Machine) -> inits.Init:
        """Tell which init a machine boots."""
        return inits.INITS.get(machine.init) or self.images.of(machine.image)
