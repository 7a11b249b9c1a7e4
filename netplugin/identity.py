"""Whose endpoint is it? The rungs of the design's section 2, each a decision over gathered facts."""

from netplugin import model, naming


def by_option(option: str | None, *, domain: str) -> model.Owner | None:
    """Return the owner that the endpoint's driver option names; None where it has none."""
    if option is None:
        return None
    return model.Owner(name=naming.label(option, domain=domain), rung=model.Rung.OPTION)


def by_candidates(containers: tuple[str, ...], *, domain: str) -> model.Owner:
    """Return the only container that can be starting now; none or several are refused, never guessed.

    The containers (by name) are set to join the network, do not run, and have no endpoint.
    """
    match containers:
        case (name,):
            return model.Owner(name=naming.label(name, domain=domain), rung=model.Rung.CANDIDATE)
        case ():
            why = "no container that is set to join this network is about to start"
        case _:
            shown = ", ".join(sorted(containers)[:5]) + (" …" if len(containers) > 5 else "")
            why = f"{len(containers)} containers that do not run could be it: {shown}"
    raise model.Cannot(
        "tell which container the endpoint is for",
        why=why,
        hint="name it: docker run --network name=NETWORK,driver-opt=fullhost.name=NAME, or fhv start NAME",
        reason=model.Reason.CONFLICT,
    )
