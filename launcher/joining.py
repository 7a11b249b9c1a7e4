"""A container that does not run put on a network once more: with other aliases, or since the network was made anew."""

from collections.abc import Iterable

from launcher import api


def again(client: api.Client, container: str, network: str, aliases: Iterable[str] | None = None) -> None:
    """Take a container off a network and put it on the one of that name, with the same wishes, or other aliases."""
    had = client.inspect_container(container)["NetworkSettings"]["Networks"][network]
    client.disconnect_container_from_network(container, network)
    client.connect_container_to_network(
        container,
        network,
        ipv4_address=(had["IPAMConfig"] or {}).get("IPv4Address") or None,
        aliases=list(had["Aliases"] or () if aliases is None else aliases),
        driver_opt=had["DriverOpts"],
    )


def remade(client: api.Client, container: str) -> tuple[str, ...]:
    """Return the networks of a container that were removed, and made anew under the same names.

    The engine knows networks by their ids, and starts no container of a network that is gone.
    """
    known = {network["Name"]: network["Id"] for network in client.networks()}
    attached = client.inspect_container(container)["NetworkSettings"]["Networks"] or {}
    return tuple(name for name, had in attached.items() if known.get(name, had["NetworkID"]) != had["NetworkID"])
