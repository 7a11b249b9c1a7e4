"""Interfaces that lead to the LAN, as a test says they are."""

import dataclasses
import typing

from netplugin import model, parents


class World(typing.Protocol):
    """The kernel, in which a VLAN's interface is a link as others are."""

    links: dict[str, model.Port | None]

    def act(self) -> None: ...


@dataclasses.dataclass
class Lan:
    """Interfaces that lead to the LAN, which a bridge of the world may have."""

    world: World
    interfaces: dict[str, parents.Interface] = dataclasses.field(default_factory=dict)

    def interface(self, name: str) -> parents.Interface | None:
        return self.interfaces.get(name)

    def ensure(self, network: model.Network) -> None:
        self.world.act()
        uplink, parent = str(network.uplink), self.interfaces[str(network.parent)]
        found = dataclasses.replace(parent, name=uplink, master=network.bridge, up=True)
        if network.vlan is not None:
            found = dataclasses.replace(found, kind="vlan", parent=network.parent, vlan=network.vlan)
            self.world.links[uplink] = model.Port(bridge=network.bridge, peer=model.Whereabouts.HERE)
        self.interfaces[uplink] = found

    def stands(self, network: model.Network) -> bool:
        return network.uplink is None or self.interfaces[network.uplink].master == network.bridge
