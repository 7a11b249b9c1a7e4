"""Ports that the world may see: `fhv expose`, `unexpose`, `exposures`."""

import dataclasses
import sys
import typing

import click

from launcher import completion
from launcher import world as worlds

if typing.TYPE_CHECKING:
    from launcher import model

_name = click.argument("name", shell_complete=completion.machines)
_FORM = "[HOSTIP:]PORT:PORT[/udp]"


@click.command()
@_name
@click.argument("ports", metavar=f"{_FORM}...", nargs=-1, required=True)
@click.pass_obj
@worlds.refusing
def expose(world: worlds.World, name: str, ports: tuple[str, ...]) -> None:
    """Let a port of this host lead to one of a machine, at once and for good.

    As docker run -p writes it: 8080:80, 192.0.2.1:8443:443, 53:53/udp, 8000-8009:8000-8009; 80 alone has a port of the
    host chosen. It holds while the machine runs, and again when it is started, at boot too, at whatever address.
    """
    machine = worlds.operator(world).find(name, verb="expose")
    network = world.engine().network_id(machine.network)
    made = world.driver().expose(network, machine.name, ports)
    said = f"exposed as {', '.join(made)}" if made else "exposed so already"
    click.echo(f"{machine.name}: {said}")


@click.command()
@_name
@click.argument("ports", metavar=f"[{_FORM}...]", nargs=-1)
@click.pass_obj
@worlds.refusing
def unexpose(world: worlds.World, name: str, ports: tuple[str, ...]) -> None:
    """Take ports from a machine; without a port, all that `fhv expose` gave it."""
    from launcher import fleet, model

    driver = world.driver()
    domains = {network.id: network.domain for network in driver.status().networks}
    mine = {
        (exposed.network, exposed.name)
        for exposed in driver.exposures()
        if exposed.lasting and exposed.name == fleet.short(name, domain=domains[exposed.network])
    }
    if not mine:
        raise model.Cannot(f"cannot unexpose {name}: fhv expose gave it no port", hint="fhv exposures lists them")
    for network, machine in sorted(mine):
        taken = driver.unexpose(network, machine, ports)
        click.echo(f"{machine}: no longer exposed as {', '.join(taken)}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.pass_obj
@worlds.refusing
def exposures(world: worlds.World, *, as_json: bool) -> None:
    """List the ports of this host that lead to machines; `docker ps` cannot."""
    from launcher import tables, words

    found = world.driver().exposures()
    rows = [
        (
            exposed.name or tables.DASH,
            exposed.host or "all",
            f"{exposed.host_port}/{exposed.transport}",
            f"{exposed.address}:{exposed.port}" if exposed.address else f"{tables.DASH}:{exposed.port}",
            "fhv expose" if exposed.lasting else "docker run -p",
        )
        for exposed in found
    ]
    listed = tables.table(("NAME", "HOST", "PORT", "LEADS TO", "BY"), rows)
    click.echo(words.as_json(found) if as_json else listed)


def with_ports(world: worlds.World, machines: "tuple[model.Machine, ...]") -> "tuple[model.Machine, ...]":
    """Return machines with what they are exposed as; a driver that does not tell is a warning."""
    from launcher import model, openings

    try:
        ports = openings.by_name(world.driver().exposures())
    except model.Cannot as error:
        click.echo(f"warning: exposed ports are not shown: {error}", file=sys.stderr)
        return machines
    return tuple(dataclasses.replace(machine, ports=ports.get(machine.name, ())) for machine in machines)
