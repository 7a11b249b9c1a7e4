"""The names of the zone: `fhv dns list`, `add`, `rm`."""

import sys

import click

from launcher import completion
from launcher import world as worlds
from launcher.commands import keeping


@click.group()
def dns() -> None:
    """List the names of the zone, add and remove some, by dynamic updates with the driver's key."""


@dns.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.pass_obj
@worlds.refusing
def list_names(world: worlds.World, *, as_json: bool) -> None:
    """List the names of the zone with an address in the network (alias: ls).

    PTR is yes where the address leads back to the name, else the name that it leads to. Whose: the zone's, which
    persons write, or of fullhost, which has registered a container's name and takes it back with the container.
    """
    from launcher import tables, words

    found = world.driver().entries(_network(world))
    rows = [(e.name, one.address, e.pointing(one), e.whose) for e in found for one in e.addresses]
    click.echo(words.as_json(found) if as_json else tables.table(("NAME", "ADDRESS", "PTR", "WHOSE"), rows))


@dns.command()
@click.argument("name")
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
@click.pass_obj
@worlds.refusing
def add(world: worlds.World, name: str, addresses: tuple[str, ...]) -> None:
    """Write NAME into the zone with an ADDRESS, of IPv4, of IPv6, or one of each: A, AAAA and PTR records, or nothing.

    Without one it is a free one, of both versions where the network has both. A name that you wrote may get an address
    of the version that it lacks. It stays until it is removed: fhv start NAME makes its machine.
    """
    given = world.driver().add_name(_network(world), name, addresses)
    click.echo(f"{name}: added at {' '.join(given)}")


@dns.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=completion.zone)
@keeping.yes_option
@click.pass_obj
@worlds.refusing
def rm(world: worlds.World, names: tuple[str, ...], *, yes: bool) -> None:
    """Take names out of the zone with their addresses and pointers; one that a machine has is kept."""
    from launcher import fleet, model, words

    network, driver = _network(world), world.driver()
    domain = next((n.domain for n in driver.status().networks if n.id == network), "")
    called = tuple(dict.fromkeys(fleet.short(name, domain=domain) for name in names))
    machines = {machine.name for machine in world.engine().machines()}
    if used := [name for name in called if name in machines]:
        raise model.Cannot(
            f"cannot remove {', '.join(used)} from the zone: there is a machine of that name",
            hint=f"remove it first: fhv rm {' '.join(used)}",
        )
    listed = ", ".join(called)
    keeping.consent(
        (f"the addresses of {listed}, with their PTR records, are lost.",),
        act=f"remove {listed} from the zone {domain}",
        yes=yes,
    )
    failed = False
    for name in called:
        try:
            gone = driver.remove_name(network, name)
        except model.Cannot as error:
            words.refusal(error)
            failed = True
            continue
        click.echo(f"{name}: removed from {', '.join(gone.addresses)}")
        for left in gone.left:
            click.echo(f"note: left is {left}", err=True)
    if failed:
        sys.exit(1)


def _network(world: worlds.World) -> str:
    return world.engine().network_id(world.settings().common.network)


dns.add_command(
    click.Command("ls", params=list_names.params, callback=list_names.callback, help="Same as list.", hidden=True)
)
