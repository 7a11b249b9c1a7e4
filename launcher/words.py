"""How results, machines and progress look to a person; a pipe gets plain lines, a program JSON."""

import contextlib
import dataclasses
import datetime as dt
import json
import os
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence

from launcher import model, pairs, snapshots, tables

if typing.TYPE_CHECKING:
    from launcher import machines
    from launcher.findings import Finding

_LIST = ("NAME", "ALIASES", "STATE", "ADDRESS", "IMAGE", "SINCE")
_NETWORKS = ("NETWORK", "BRIDGE", "SUBNET", "GATEWAY", "DOMAIN", "DNS", "SNAT", "MTU", "UPLINK")
_STOPPED = ("STOPPED", "FRAMES", "WHAT THEY WERE")
_ENDPOINTS = ("ENDPOINT", "ADDRESS", "MAC", "VETH", "IDENTIFIED BY", "ADDRESS FROM")


class Report(typing.Protocol):
    """Hears of each step as (machine, step)."""

    def __call__(self, name: str, step: str) -> None: ...


def _line(name: str, step: str) -> None:
    """Write at once, where print() writes twice: machines report from several threads."""
    sys.stderr.write(f"{name}: {step}\n")


@contextlib.contextmanager
def progress(*, live: bool) -> Iterator[Report]:
    """Show the steps of several machines on standard error: moving on a terminal, line by line elsewhere."""
    if not live or os.environ.get("TERM", "dumb") == "dumb":  # nothing moves there
        yield _line
        return
    import rich.console
    import rich.progress

    columns = (
        rich.progress.SpinnerColumn(),
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.TextColumn("{task.fields[step]}", style="dim", markup=False),
        rich.progress.TimeElapsedColumn(),
    )
    with rich.progress.Progress(*columns, console=rich.console.Console(stderr=True), transient=True) as display:
        rows: dict[str, rich.progress.TaskID] = {}

        def report(name: str, step: str) -> None:
            if name not in rows:
                rows[name] = display.add_task(name, total=None, step=step)
            display.update(rows[name], step=step)

        yield report


def counted(report: Report, name: str, verb: str) -> Callable[[int], None]:
    """Report how many octets of something are done, every time that it is 64 MB more."""
    said = 0

    def progress(octets: int) -> None:
        nonlocal said
        if octets - said >= 64_000_000:
            said = octets
            report(name, f"{verb} {octets // 1_000_000} MB")

    return progress


def results(outcome: Sequence[model.Result]) -> bool:
    """Say how it went with each machine, refusals and warnings on standard error; tell whether all went well."""
    for result in outcome:
        if result.refused is not None:
            refusal(result.refused, of="" if result.name in str(result.refused) else f"{result.name}: ")
            continue
        print(f"{result.name}: {result.done}")
        for warning in result.warnings:
            print(f"warning: {result.name}: {warning}", file=sys.stderr)
    return all(result.refused is None for result in outcome)


def refusal(error: model.Cannot, *, of: str = "") -> None:
    """Say what cannot be done, and what to do about it."""
    print(f"fhv: {of}{error}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)


def as_json(thing: object) -> str:
    """Write nouns as JSON: addresses and states as texts, what is not known as null."""
    return json.dumps(_plain(thing), default=str, indent=2)


def _plain(thing: object) -> object:
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return {field.name: _plain(getattr(thing, field.name)) for field in dataclasses.fields(thing)}
    if isinstance(thing, Mapping):
        return {str(key): _plain(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [_plain(item) for item in thing]
    return thing


def listing(found: Sequence[model.Machine], *, now: dt.datetime) -> str:
    """Write the table of machines, with their exposed ports where there are any."""
    exposed = any(machine.ports for machine in found)
    rows = [
        (
            machine.name,
            ",".join(machine.aliases) or tables.DASH,
            str(machine.state),
            str(machine.addresses) or tables.DASH,
            machine.image,
            since(machine.since, now=now),
            *([",".join(machine.ports) or tables.DASH] if exposed else []),
        )
        for machine in found
    ]
    return tables.table((*_LIST, "PORTS") if exposed else _LIST, rows)


def since(moment: str, *, now: dt.datetime) -> str:
    """Say how long ago the engine's `moment` (RFC 3339, nanoseconds) was, in the largest unit that fits."""
    seconds = max(0, int((now - dt.datetime.fromisoformat(moment[:19] + "+00:00")).total_seconds()))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "now"


def examination(found: "machines.Examination") -> str:
    """Write what is known of one machine, one fact a line."""
    machine, endpoint = found.machine, found.endpoint
    reasons = [f"{name} ({reason})" for name, reason in found.capabilities.items()]
    return tables.facts(
        [
            ("name", machine.name),
            ("aliases", ", ".join(machine.aliases)),
            ("state", f"{machine.state} since {machine.since[:19]}Z"),
            *([("why", machine.error)] if machine.error else []),
            ("init", f"{machine.init or 'unknown'}: {found.init_says}"),
            ("address", str(machine.addresses)),
            ("DNS record", found.record),
            ("MAC", machine.mac),
            ("network", machine.network),
            ("veth", endpoint.veth if endpoint else ""),
            ("identified by", endpoint.rung if endpoint else ""),
            ("address from", _certain(endpoint) if endpoint else ""),
            ("image", machine.image),
            ("limits", snapshots.limited(machine)),
            ("volumes", ", ".join(machine.volumes)),
            ("resolver", machine.resolver),
            ("capabilities", ", ".join(reasons) or "none added"),
        ]
    )


def _both(four: object, six: str | None) -> str:
    """Write what there is of IPv4, and of IPv6 behind it."""
    return f"{four} {six}" if six else str(four)


def _certain(endpoint: model.Endpoint) -> str:
    """Write where an address is from: a lease with its end, who gave it, and whom that server knows the machine as."""
    if endpoint.lease is not None:
        until, server, mac = endpoint.lease
        return f"{endpoint.source} until {until[:19]}Z of {server}, as {mac}"
    return endpoint.source if endpoint.settled else f"{endpoint.source}, to be verified"


def findings(found: "Sequence[Finding]") -> str:
    """Write one finding a line, and under each that is not well what mends it."""
    rows = []
    for finding in found:
        rows.append((str(finding.verdict), finding.check, finding.found))
        if finding.mend:
            rows.append(("", "", f"hint: {finding.mend}"))
    return tables.table(("VERDICT", "CHECK", "FOUND"), rows)


def driver(status: model.DriverStatus) -> str:
    """Write what the driver says of itself: its networks, its endpoints and how it knew them, what it warns of."""
    parts = [f"driver {status.version}, process {status.pid}, since {status.started}"]
    networks = [
        (
            network.name or network.id[:12],
            network.bridge,
            _both(network.subnet, network.subnet6),
            _both(network.gateway, network.gateway6),
            network.domain,
            str(network.dns) if network.dns_port == 53 else f"{network.dns} port {network.dns_port}",
            "yes" if network.snat else "no",
            str(network.mtu),
            network.uplink or "-",
        )
        for network in status.networks
    ]
    endpoints = [
        (entry.name or "-", str(entry.addresses), entry.mac, entry.veth, entry.rung, _certain(entry))
        for entry in sorted(status.endpoints, key=lambda entry: [pairs.order(address) for address in entry.addresses])
    ]
    if networks:
        parts.append(tables.table(_NETWORKS, networks))
    if endpoints:
        parts.append(tables.table(_ENDPOINTS, endpoints))
    stopped = [
        (entry.name or "-", str(frames), what) for entry in status.endpoints for what, frames in entry.stopped.items()
    ]
    if stopped:
        parts.append(tables.table(_STOPPED, stopped))
    if status.counters:
        parts.append(tables.facts([(name, str(count)) for name, count in sorted(status.counters.items())]))
    parts += [f"warning: {warning}" for warning in status.warnings]
    return "\n\n".join(parts)
