"""The wire types of the remote IPAM protocol (moby, libnetwork/ipams/remote/api), parsed and made once."""

import dataclasses
from collections.abc import Callable, Mapping

from netplugin import answers, model, naming, options, protocol, refusals

ADDRESS_SPACE = "fullhost"
_NAME = "com.docker.network.endpoint.name"  # from engine 29.0 on
_KIND, _GATEWAY = "RequestAddressType", "com.docker.network.gateway"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RequestPool:
    """A pool to give: the user's `--subnet`, and the `--ip-range` as a part of it."""

    pool: str
    part: str
    ipv6: bool

    @classmethod
    def from_json(cls, body: protocol.Json) -> "RequestPool":
        """Parse the body of IpamDriver.RequestPool."""
        return cls(pool=protocol.text(body, "Pool"), part=protocol.text(body, "SubPool"), ipv6=body.get("V6") is True)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RequestAddress:
    """An address to give: one that the user asked for, the gateway's, or the one of a named endpoint."""

    pool_id: str
    address: str
    gateway: bool
    name: str | None

    @classmethod
    def from_json(cls, body: protocol.Json) -> "RequestAddress":
        """Parse the body of IpamDriver.RequestAddress."""
        given = protocol.mapping(body, "Options")
        return cls(
            pool_id=protocol.text(body, "PoolID"),
            address=protocol.text(body, "Address"),
            gateway=protocol.text(given, _KIND) == _GATEWAY,
            name=protocol.text(given, _NAME) or None,
        )


def wanted(
    request: protocol.CreateNetwork, *, pools: Callable[[], tuple[tuple[str, int], ...]]
) -> tuple[model.Ipam, Mapping[str, str]]:
    """Tell who gives out the addresses of a network to make, and its options; what cannot be served is refused.

    `pools` asks for those of which the engine chooses one.
    """
    refusals.refuse_unserved(
        pools=request.pools,
        reserved=request.reserved,
        ipv4=request.ipv4,
        ipv6=request.ipv6,
        internal=request.internal,
    )
    (pool,), given = request.pools, request.options
    if pool == "0.0.0.0/0":
        return model.Ipam.NULL, given
    with_pool = options.with_pool(given, pool, request.gateway)
    if request.spaces == {ADDRESS_SPACE}:
        return model.Ipam.OWN, with_pool
    if refusals.is_choice(pool, given, pools()):
        return model.Ipam.CHOSEN, {f"{options.PREFIX}bridge": naming.bridge(request.network_id), **with_pool}
    return model.Ipam.ENGINE, with_pool


def capabilities() -> answers.Answer:
    """Return that an address needs no hardware address."""
    return answers.Answer(body={"RequiresMACAddress": False})


def spaces() -> answers.Answer:
    """Return the address space, by which CreateNetwork knows a pool of this driver."""
    return answers.Answer(body={"LocalDefaultAddressSpace": ADDRESS_SPACE, "GlobalDefaultAddressSpace": ADDRESS_SPACE})


def pool_given(pool: str) -> answers.Answer:
    """Return a pool; its id is its text."""
    return answers.Answer(body={"PoolID": pool, "Pool": pool, "Data": {}})


def address_given(address: str) -> answers.Answer:
    """Return an address with its prefix length."""
    return answers.Answer(body={"Address": address, "Data": {}}, note=f"address={address}")
