"""Use cases of the IPAM driver: pools and addresses as Docker users ask for them, and DNS decides.

It keeps no state: a pool's id is its text, so that a restarted driver understands it. An address has to be known here,
since the engine takes no answer without one (ErrNoIPReturned in libnetwork/ipams/remote); but before 29 it does not
tell for which container it asks. So, without `--ip`, it is that of the only container that waits to start, or one of
the network's range, from which the settlement moves the container.
"""

import dataclasses
import ipaddress

from netplugin import agreement, allocation, answers, model, options, protocol, store

_CREATE = "docker network create -d fullhost --ipam-driver fullhost --subnet 172.31.0.0/24 NAME"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ipam:
    """The IPAM driver over its leaves."""

    store: store.Store
    agreement: agreement.Agreement

    def request_pool(self, request: allocation.RequestPool) -> answers.Answer:
        """Answer with the pool that was asked for: a subnet is the user's choice, never the driver's."""
        if request.ipv6:
            raise model.Cannot(
                "give a pool", why="IPv6 is served with --ipam-driver null alone", hint=f"type: {_CREATE}"
            )
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

    def request_address(self, request: allocation.RequestAddress) -> answers.Answer:
        """Answer with the address of a gateway, with the one asked for, or with the one that DNS gives the name."""
        subnet = self._subnet(request.pool_id)
        network = next((network for network in self.store.networks() if network.subnet == subnet), None)
        if request.address:
            address = _parsed(request.address)
            if network is not None:
                self.agreement.forget(address, network)
        elif request.gateway:
            address = subnet[1]
        elif network is None:
            raise model.Cannot(
                f"give an address of {subnet}",
                why="the driver has no record of a network with it",
                hint=f"docker network rm NAME, and {_CREATE}",
                reason=model.Reason.MISSING,
            )
        else:
            address = self.agreement.promise(request.name, network)
        if address not in subnet:
            raise model.Cannot(f"give the address {address}", why=f"it is none of {subnet}", hint="give one of it")
        return allocation.address_given(str(ipaddress.IPv4Interface((address, subnet.prefixlen))))

    def release(self, _: protocol.Json) -> answers.Answer:
        """Do nothing: what an endpoint holds is in its row, which DeleteEndpoint takes away."""
        return answers.Answer()

    def _subnet(self, pool_id: str) -> ipaddress.IPv4Network:
        try:
            return options.machines(pool_id)
        except ValueError:
            raise model.Cannot(
                f"give an address of the pool {pool_id[:80]!a}",
                why="it is none of this driver",
                hint=f"type: {_CREATE}",
            ) from None


def _parsed(text: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError as error:
        raise model.Cannot(f"give the address {text[:80]!a}", why=str(error), hint="give an IPv4 address") from None
