"""What a host needs before it has machines: the commands of `fhv host`."""

import ipaddress
import pathlib

import click

from launcher import world as worlds


@click.group()
def host() -> None:
    """Set up this host."""


@host.command()
@click.option("--subnet", type=ipaddress.IPv4Network, default="172.31.0.0/24", show_default=True, metavar="CIDR")
@click.option("--gateway", type=ipaddress.IPv4Address, metavar="ADDRESS", help="Default: the subnet's first address.")
@click.option("--domain", default="local", show_default=True)
@click.option("--bridge", default="br0", show_default=True)
@click.option("--names", default="web db app mail ci dev", show_default=True, help="The machines of the first zone.")
@click.option(
    "--bridge-port",
    type=click.IntRange(0, 65535),
    default=0,
    help="DNS port on the bridge; 0: 53 if free, else another.",
)
@click.option("--loopback-port", type=click.IntRange(0, 65535), default=0, help="The same on 127.0.0.1.")
@click.option("--directory", type=click.Path(path_type=pathlib.Path), default="/etc/fullhost", show_default=True)
@click.option("--templates", type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False), required=True)
@click.option("--image", default="fullhost/debian:bookworm", show_default=True)
@click.option("--network", default="fullhost", show_default=True)
@worlds.refusing
def configure(  # noqa: PLR0913 - an option each, as click has it
    *,
    subnet: ipaddress.IPv4Network,
    gateway: ipaddress.IPv4Address | None,
    names: str,
    domain: str,
    bridge: str,
    bridge_port: int,
    loopback_port: int,
    directory: pathlib.Path,
    templates: pathlib.Path,
    image: str,
    network: str,
) -> None:
    """Write the DNS server's configuration, a first zone and the settings; files that are there are kept."""
    from launcher import host as hosts

    site = hosts.Site(
        subnet=subnet,
        gateway=gateway or subnet.network_address + 1,
        domain=domain,
        bridge=bridge,
        names=tuple(names.split()),
        bridge_port=bridge_port,
        loopback_port=loopback_port,
        directory=directory,
        templates=templates,
        image=image,
        network=network,
    )
    for path in hosts.configure(site):
        click.echo(path)


@host.command()
@click.argument("what", type=click.Choice(["on", "off", "status"]), default="status")
@click.pass_obj
@worlds.refusing
def resolver(world: worlds.World, what: str) -> None:
    """Have this host know the names of machines: on, off, or status.

    Whoever writes /etc/resolv.conf (systemd-resolved, NetworkManager, resolvconf, openresolv) is told to ask the
    machines' name server for their names, and others for all else; off takes that back without a trace.
    """
    from launcher import resolving

    here = resolving.Resolver(commands=resolving.Shell())
    match what:
        case "on":
            network = worlds.operator(world).maker.network()
            click.echo(f"on: {here.turn_on(network)} asks {network.dns} for names of {network.domain}")
        case "off":
            click.echo(f"off: {', '.join(here.turn_off()) or 'nobody'} was told")
        case _:
            told, by = here.told(), here.manager()
            click.echo(f"{'on' if told else 'off'}: {', '.join(told) or 'nobody'} is told")
            click.echo(f"/etc/resolv.conf is written by {by or 'nobody'}")
