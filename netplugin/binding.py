"""What a DHCP server has leased to a name: parsed strictly, and how long it holds (RFC 2131, whose word it is)."""

import dataclasses
import datetime
import ipaddress

from netplugin import model

Address = ipaddress.IPv4Address
FRESH = datetime.timedelta(seconds=10)  # so long what was just leased is not asked for again
RETRY = datetime.timedelta(seconds=30)  # between two questions to a server that is silent or leases what does not do
PROGRAM = "udhcpc"
_HOUR = 3600  # what udhcpc takes for the duration where the server tells none


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """What a server told: the address, which server it was, and for how many seconds."""

    address: Address
    server: Address
    seconds: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """A lease of a name's: `mac` is what the server knows the machine by, `container` is learnt once it runs.

    It is kept when it is over, since who asks again asks for the same address, until the container is removed.
    """

    network_id: str
    name: str
    address: Address
    mac: str
    server: Address
    obtained: datetime.datetime
    expires: datetime.datetime
    container: str | None = None

    @property
    def key(self) -> str:
        """What tells it from others."""
        return f"lease {self.network_id} {self.name}"

    @property
    def renewal(self) -> datetime.datetime:
        """When to ask for more: after half of the time, as T1 of RFC 2131 (4.4.5) is."""
        return self.obtained + (self.expires - self.obtained) / 2

    @property
    def retry(self) -> datetime.timedelta:
        """How long to wait where that failed; not so long where the lease is short."""
        return min(RETRY, (self.expires - self.obtained) / 8)

    def holds(self, now: datetime.datetime) -> bool:
        """Tell whether the address is the name's still."""
        return now < self.expires


def parse(line: str) -> Lease | None:
    """Return what a line of the client's script says: None of anything but a lease, ValueError where it is malformed.

    A line is the event, then the values of ip, serverid and lease, with a space before each; a server may leave the
    last one away. What is no address and no number is not believed, and nor is the rest of the line.
    """
    event, *values = line.split(" ")
    if event != "bound":
        return None
    address, server, seconds = values
    if not (seconds == "" or (seconds.isascii() and seconds.isdigit() and 0 < int(seconds) < 1 << 32)):
        raise ValueError(f"{seconds[:20]!r} is no number of seconds")
    return Lease(address=Address(address), server=Address(server), seconds=int(seconds or _HOUR))


def bound(lease: Lease, *, network: model.Network, name: str, mac: str, now: datetime.datetime) -> Binding:
    """Return the binding that a lease makes of a name."""
    return Binding(
        network_id=network.id,
        name=name,
        address=lease.address,
        mac=mac,
        server=lease.server,
        obtained=now,
        expires=now + datetime.timedelta(seconds=lease.seconds),
    )


def silent(name: str, network: model.Network, seconds: float) -> model.Cannot:
    """Return the refusal of a name for which no server has leased anything."""
    why = f"no DHCP server on {network.bridge} answered within {seconds:g} s"
    return model.Cannot(
        f"give {name} an address",
        why=f"{name}.{network.domain} has no A record, and {why}",
        hint=f"see that a server runs there and has a free address, or add {name} to the zone, and start it again",
        reason=model.Reason.UNAVAILABLE,
    )


def unfit(lease: Lease, name: str, why: str) -> model.Cannot:
    """Return the refusal of an address that was leased and cannot be given."""
    return model.Cannot(
        f"give {name} the address {lease.address}",
        why=f"the DHCP server {lease.server} leased it, and it is {why}",
        hint="mend the server's pool, and start it again",
        reason=model.Reason.CONFLICT,
    )


def refuse(network: model.Network) -> None:
    """Refuse a network on which the driver alone does not give out the addresses."""
    if network.unlisted is model.Unlisted.DHCP and network.ipam is not model.Ipam.NULL:
        raise model.Cannot(
            "make the network with fullhost.unlisted=dhcp",
            why="something else has given out an address before a DHCP server can be asked",
            hint="type: docker network create -d fullhost --ipam-driver null -o fullhost.unlisted=dhcp … NAME",
        )
