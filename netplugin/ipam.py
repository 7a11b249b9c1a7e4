"""Use cases of the IPAM driver: pools and addresses as Docker users ask for them, and DNS decides.

It keeps no state: a pool's id is its text, so that a restarted driver understands it. An address has to be known here,
since the engine takes no answer without one (ErrNoIPReturned in libnetwork/ipams/remote); but before 29 it does not
tell for which container it asks. So it is given with `--ip`, or the engine names the endpoint; nobody guesses.
"""

import dataclasses
import ipaddress

from netplugin import allocation, assignment, model, options, protocol, store

_CREATE = "docker network create -d fullhost --ipam-driver fullhost --subnet 172.31.0.0/24 NAME"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ipam:
    """The IPAM driver over its leaves."""

    store: store.Store
    assigner: assignment.Assigner

    def request_pool(self, request: allocation.RequestPool) -> protocol.Answer:
        """Answer with the pool that was asked for: a subnet is the user's choice, never the driver's."""
        if request.ipv6:
            raise model.Cannot("give a pool", why="IPv6 is not served yet", hint=f"type: {_CREATE}")
        if not request.pool:
            raise model.Cannot("give a pool", why="no subnet was asked for", hint=f"type: {_CREATE}")
        if request.part:
            why = f"an IPAM driver cannot tell the network of the range {request.part}"
            hint = f"leave --ip-range away, and give -o fullhost.range={request.part}"
            raise model.Cannot(f"give the pool {request.pool}", why=why, hint=hint)
        try:
            pool = str(options.machines(request.pool))
        except ValueError as error:
            raise model.Cannot(
                f"give the pool {request.pool[:80]!a}", why=str(error), hint=f"type: {_CREATE}"
            ) from None
        return allocation.pool_given(pool)

    def request_address(self, request: allocation.RequestAddress) -> protocol.Answer:
        """Answer with the address of a gateway, with the one asked for, or with the one that DNS gives the name."""
        subnet = self._subnet(request.pool_id)
        if request.address:
            address = _parsed(request.address)
        elif request.gateway:
            address = subnet[1]
        else:
            address = self._named(request.name, subnet)
        if address not in subnet:
            raise model.Cannot(f"give the address {address}", why=f"it is none of {subnet}", hint="give one of it")
        return allocation.address_given(str(ipaddress.IPv4Interface((address, subnet.prefixlen))))

    def release(self, _: protocol.Json) -> protocol.Answer:
        """Do nothing: what an endpoint holds is in its row, which DeleteEndpoint takes away."""
        return protocol.Answer()

    def _subnet(self, pool_id: str) -> ipaddress.IPv4Network:
        try:
            return options.machines(pool_id)
        except ValueError:
            raise model.Cannot(
                f"give an address of the pool {pool_id[:80]!a}",
                why="it is none of this driver",
                hint=f"type: {_CREATE}",
            ) from None

    def _named(self, name: str | None, subnet: ipaddress.IPv4Network) -> ipaddress.IPv4Address:
        network = next((network for network in self.store.networks() if network.subnet == subnet), None)
        if network is None or name is None:
            raise model.Cannot(
                f"give the container an address of {subnet}",
                why="the engine names no container to an IPAM driver before version 29, and nobody guesses",
                hint="add --ip ADDRESS (compose: ipv4_address), or make the network with --ipam-driver null",
            )
        address = self.assigner.assign(name, network).address
        assert address is not None  # noqa: S101 - who has a name is never provisional
        return address


def _parsed(text: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError as error:
        raise model.Cannot(f"give the address {text[:80]!a}", why=str(error), hint="give an IPv4 address") from None
