"""What two of fhv meet that are at one machine at once: the engine gives each name of a container only once."""

from launcher import model


class Taken(model.Cannot):
    """Another one has, or is about to have, what was asked for."""


def fresh(name: str) -> str:
    """Give the name of what is made to take a machine's place, or keeps others from it: none that a host can have."""
    return f"{name}.new"


def refused(name: str, called: str, way: str) -> Taken:
    """Return the refusal of an act upon a machine, as the container `called` is there, with the way to end it."""
    return Taken(
        f"cannot work on {name}: another fhv is at it, or was cut off ({called} is there)",
        hint=f"wait for the other; if there is none: {way}",
    )
