"""An address that came with an endpoint, or a hardware address that stands for one, is compared with DNS.

Who gave the address decides what follows where DNS says otherwise. One that the user asked for is refused. One that the
engine or the driver's own IPAM chose is provisional, and the settlement moves the container; but an address that the
zone gives a name is never lent to another one.
"""

import dataclasses
import ipaddress

from netplugin import addressing, assignment, model, naming, store

Address = ipaddress.IPv4Address


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """An address that RequestAddress chose, and for whom as far as it could tell.

    `refusal` is what speaks against the only container that waits: another one may have the name in its options.
    """

    assigned: model.Assignment
    refusal: model.Cannot | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """The agreement over the assignment.

    `promises` has, by network and address, what RequestAddress chose; CreateEndpoint follows at once, and nothing in
    between (libnetwork locks the network). Of an address that is not there the user asked for it, or the driver was
    restarted in that moment: then it is treated as one that was asked for, which is never wrong.
    """

    store: store.Store
    assigner: assignment.Assigner
    promises: dict[tuple[str, Address], Promise] = dataclasses.field(default_factory=dict)

    def promise(self, name: str | None, network: model.Network) -> Address:
        """Choose an address for an endpoint of which at most the container's name is known yet."""
        refusal = None
        try:
            assigned = self.assigner.assign(name, network)
        except model.Cannot as error:
            if error.reason is model.Reason.UNAVAILABLE:
                raise
            refusal, assigned = error, self.assigner.unknown(network)
        if name is not None and refusal is None:
            assigned = dataclasses.replace(assigned, rung=model.Rung.NAMED)
        address = assigned.address or addressing.provisional(network, assigned.avoid | self.store.held(network.id))
        assigned = dataclasses.replace(assigned, address=address)
        self.promises[network.id, address] = Promise(assigned=assigned, refusal=refusal)
        return address

    def forget(self, address: Address, network: model.Network) -> None:
        """Note that the user asked for the address, whatever it was before."""
        self.promises.pop((network.id, address), None)

    def assign(
        self, option: str | None, address: Address | None, mac: str | None, network: model.Network
    ) -> model.Assignment:
        """Return the assignment of a new endpoint, by all that came with it."""
        claimed = naming.claimed(mac, network.subnet) if mac and option is None else None
        if claimed is not None and (name := self._pointed(claimed, network)) is not None:
            if address is None:
                return self._asked(None, claimed, network)
            option = name
        if address is None:
            return self.assigner.assign(option, network)
        promise = self.promises.get((network.id, address))
        if promise is None and network.ipam not in {model.Ipam.ENGINE, model.Ipam.CHOSEN}:
            return self._asked(option, address, network)
        if option is not None:
            return self._matched(option, address, network)
        if promise is None:
            return self._compared(address, network)
        if promise.refusal is not None:
            raise promise.refusal
        return promise.assigned

    def _asked(self, option: str | None, address: Address, network: model.Network) -> model.Assignment:
        """Return the assignment of an address that was asked for: forward and reverse have to agree."""
        name = option or self._pointed(address, network)
        if name is None:
            raise model.Cannot(
                f"give the container {address}",
                why=f"the DNS server {network.dns} has no PTR record for it in {network.domain}",
                hint="add one, or name the container: driver-opt=fullhost.name=NAME",
                reason=model.Reason.MISSING,
            )
        assigned = self.assigner.assign(name, network)
        if assigned.address != address:
            raise model.Cannot(
                f"give {assigned.name} the address {address}",
                why=f"DNS gives {assigned.name}.{network.domain} {assigned.addresses}",
                hint=f"ask for it with --ip {assigned.address} (docker network disconnect, connect), or mend the zone",
                reason=model.Reason.CONFLICT,
            )
        return assigned if option else dataclasses.replace(assigned, rung=model.Rung.ADDRESS)

    def _matched(self, option: str, address: Address, network: model.Network) -> model.Assignment:
        """Return the assignment of one whose name is known, and whose address somebody chose who did not know it."""
        assigned = self.assigner.assign(option, network, at=address)
        if assigned.address == address:
            return assigned
        self._refuse_chosen(assigned, address, network)
        self._refuse_foreign(address, network, own=assigned.address)
        return dataclasses.replace(assigned, source=model.Source.RANGE, address=address, address6=None)

    def _compared(self, address: Address, network: model.Network) -> model.Assignment:
        """Return the assignment of an address that the engine chose, for the only candidate or by its pointer.

        Neither is a proof: the name is verified at Join.
        """
        assigned, chosen = self.assigner.assign(None, network, at=address), network.ipam is model.Ipam.CHOSEN
        if assigned.name is None and not chosen and (name := self._pointed(address, network)) is not None:
            assigned = dataclasses.replace(self.assigner.assign(name, network), rung=model.Rung.CANDIDATE)
        if assigned.address == address:
            return assigned
        self._refuse_chosen(assigned, address, network)
        if not (chosen and self.assigner.registrar.idle(address, network)):
            self._refuse_foreign(address, network, own=assigned.address)
        return model.Assignment(name=None, rung=model.Rung.PROVISIONAL, source=model.Source.RANGE, address=address)

    def _pointed(self, address: Address, network: model.Network) -> str | None:
        """Return the name that the pointer of an address gives; while its server is silent, who had it last."""
        try:
            return self.assigner.zone.pointer(address, network)
        except model.Cannot as error:
            leased = self.store.lessee(network.id, address) if network.stale is model.Stale.SERVE else None
            if error.reason is not model.Reason.UNAVAILABLE or leased is None:
                raise
            return leased

    def _refuse_chosen(self, assigned: model.Assignment, address: Address, network: model.Network) -> None:
        """Refuse an address of a pool of the engine's own choice, where the name is known: it cannot be moved."""
        if network.ipam is model.Ipam.CHOSEN and assigned.address is not None:
            raise addressing.chosen(assigned.name, address, assigned.address, network)

    def _refuse_foreign(self, address: Address, network: model.Network, *, own: Address | None) -> None:
        """Refuse to lend an address of the zone; where the zone cannot be transferred, only the range is free of it."""
        try:
            records = self.assigner.zone.records(network)
        except model.Cannot:
            if address in network.range:
                return
            raise
        names = [record.name for record in records if address in record.addresses]
        if address != network.gateway and not names:
            return
        wish = own or "ADDRESS"
        hints = {
            model.Ipam.ENGINE: f"add --ip {wish}, or make the network with an --ip-range outside of the zone's names",
            model.Ipam.OWN: f"add --ip {wish} (compose: ipv4_address)",
        }
        raise model.Cannot(
            f"give the container {address}, even for a moment",
            why=f"it is of {', '.join(names) or 'the gateway'}, and nobody can tell that it is that one",
            hint=hints.get(network.ipam, "name it: driver-opt=fullhost.name=NAME"),
            reason=model.Reason.CONFLICT,
        )
