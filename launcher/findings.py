"""What an examination found, and what of the zone's records is worth telling."""

import dataclasses
import enum
import ipaddress
from collections.abc import Iterator

from launcher import advice, listed, model

_SHOWN = 3  # names, of many that want the same
_INSTANCES = 7  # of inotify, that a machine with systemd 252 takes
_FEW_INSTANCES = 1024


class Verdict(enum.StrEnum):
    """How grave a finding is; with one that is broken, machines do not work."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What was looked at, what was found, and the command or the edit that mends it."""

    check: str
    verdict: Verdict
    found: str
    mend: str = ""


def broken(check: str, error: model.Cannot) -> Finding:
    """Return the finding of what could not even be looked at."""
    return Finding(check=check, verdict=Verdict.BROKEN, found=str(error), mend=error.hint)


def of_instances(most: int | None) -> Iterator[Finding]:
    """Tell how many machines the inotify instances of one user suffice for; those of all machines are root's."""
    if most is None:
        return
    few = most < _FEW_INSTANCES
    yield Finding(
        check="limits",
        verdict=Verdict.WARNING if few else Verdict.OK,
        found=f"{most} inotify instances: room for about {most // _INSTANCES} machines with systemd",
        mend=advice.ROOM if few else "",
    )


def of_updates(updates: listed.Updates) -> Iterator[Finding]:
    """Tell whether names that the zone lacks can be registered, where that is wished (RFC 2136)."""
    if not updates.wished:
        return
    for error in updates.refused:
        yield broken("updates", error)
    if not updates.refused:
        yield Finding(check="updates", verdict=Verdict.OK, found="the zone and its reverse zone take updates")


def of_pointers(entries: tuple[listed.Entry, ...], domain: str) -> Iterator[Finding]:
    """Tell of addresses whose pointer leads to none of the names that have them, or nowhere (RFC 1912, 2.1).

    Who has no reverse zone of IPv6 misses nothing: Docker hands out no address of it by which somebody would be named.
    """
    names: dict[listed.Pointed, list[str]] = {}
    for entry in entries:
        for at in entry.addresses:
            names.setdefault(at, []).append(entry.name)
    four = {at: having for at, having in names.items() if ipaddress.ip_address(at.address).version == 4}
    bare = [f"{having[0]} {at.address}" for at, having in four.items() if at.pointer is None]
    if bare:
        yield Finding(
            check="reverse",
            verdict=Verdict.WARNING,
            found=f"{len(bare)} of {len(four)} addresses have no PTR record: {', '.join(bare[:_SHOWN])}"
            + (", …" if len(bare) > _SHOWN else ""),
            mend="write them into the reverse zone: who gives --ip is named by them",
        )
    for at, having in names.items():
        if at.pointer is None or at.pointer in having:
            continue
        reverse = f"{ipaddress.ip_address(at.address).reverse_pointer}."
        yield Finding(
            check="reverse",
            verdict=Verdict.WARNING,
            found=f"{having[0]}.{domain} is {at.address}, whose PTR record leads to {at.pointer}.{domain}",
            mend=f"write '{reverse} IN PTR {having[0]}.{domain}.' into the reverse zone",
        )


def of_turns(*, given: bool) -> Iterator[Finding]:
    """Tell where machines that have an order wait for a turn that nobody gives them."""
    if not given:
        yield Finding(
            check="boot",
            verdict=Verdict.WARNING,
            found="fhv.toml has an order, and fullhost-machines.service is not enabled: machines boot ten minutes late",
            mend="systemctl enable fullhost-machines.service",
        )
