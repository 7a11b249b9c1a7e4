"""Whose endpoint is it? The rungs of the design's section 2, each a decision over gathered facts."""

from netplugin import model, naming


def by_option(option: str | None, *, domain: str) -> model.Owner | None:
    """Return the owner that the endpoint's driver option names; None where it has none."""
    if option is None:
        return None
    return model.Owner(name=naming.label(option, domain=domain), rung=model.Rung.OPTION)


def by_candidates(containers: tuple[str, ...], *, domain: str) -> model.Owner | None:
    """Return the only container that can be starting now; None where there is none or several: never a guess.

    The containers (by name) are set to join the network, do not run, and have no endpoint. It is no proof, since a
    container that runs can be connected meanwhile: the keeper asks again once it has joined.
    """
    if len(containers) != 1:
        return None
    return model.Owner(name=naming.label(containers[0], domain=domain), rung=model.Rung.CANDIDATE)
