"""What the Tab key offers where a name is expected: nothing at all where the engine or the driver does not answer."""

from collections.abc import Callable, Iterable

import click

from launcher import world as worlds

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def machines(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Offer the machines that there are, but those already in the line."""
    return _offer(context, parameter, begun, lambda world: (machine.name for machine in world.engine().machines()))


def zone(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Offer the machines that the zone asks for, whether or not they are there."""

    def names(world: worlds.World) -> Iterable[str]:
        from launcher import fleet

        number = world.engine().network_id(world.settings().common.network)
        return fleet.decide(world.driver().zone(number)).members

    return _offer(context, parameter, begun, names)


def snapshots(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Offer the tags of the snapshots of the machine that stands in the line already."""
    name = str(context.params.get("name") or "").lower().partition(".")[0]

    def tags(world: worlds.World) -> Iterable[str]:
        return (snapshot.tag for snapshot in world.depot().snapshots(name)) if name else ()

    return _offer(context, parameter, begun, tags)


def images(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Offer the images that machines start from."""
    return _offer(context, parameter, begun, lambda world: (image.name for image in world.builder().images()))


def recipes(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Offer the recipes that there are."""

    def known(_: worlds.World) -> Iterable[str]:
        from launcher import images

        return images.recipes(images.folder())

    return _offer(context, parameter, begun, known)


def _offer(
    context: click.Context,
    parameter: click.Parameter,
    begun: str,
    names: Callable[[worlds.World], Iterable[str]],
) -> list[str]:
    """Keep what begins as the word does; a person who presses Tab wants no error in the line."""
    from launcher import model

    try:
        found = list(names(context.find_object(worlds.World) or worlds.World()))
    except model.Cannot:
        return []
    given = context.params.get(parameter.name or "") or ()
    return sorted(name for name in found if name.startswith(begun) and name not in given)
