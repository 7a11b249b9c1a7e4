"""In which order machines start: after those they need, and after those of a higher priority."""

import collections
import dataclasses
import graphlib
from collections.abc import Collection, Mapping

from launcher import model, specification


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """When one machine of several starts: once all of `after` are up, and all of `behind` are up or have failed.

    `delay`, in seconds, is what passes from when it is up until those start that wait for it.
    """

    after: frozenset[str] = frozenset()
    behind: frozenset[str] = frozenset()
    delay: float = 0.0


def needed(names: Collection[str], specs: Mapping[str, specification.Spec]) -> tuple[str, ...]:
    """Give the names, each once, and then those that they come after."""
    graph: dict[str, tuple[str, ...]] = {}
    left = collections.deque(names)
    while left:
        name = left.popleft()
        if name not in graph:
            graph[name] = specs[name].after if name in specs else ()
            left.extend(graph[name])
    _sorted(graph)
    return tuple(graph)


def decide(names: Collection[str], specs: Mapping[str, specification.Spec]) -> Mapping[str, Turn]:
    """Give each of `names` its turn among them. They have no circle, which `needed` has seen to.

    A machine that another one needs has at least the priority of that one: what it comes after is not held up by what
    comes before.
    """
    chosen = {name: specs[name] for name in names if name in specs}
    priority = {name: spec.priority for name, spec in chosen.items()}
    for name in reversed(_sorted({name: spec.after for name, spec in chosen.items()})):
        for other in chosen[name].after if name in chosen else ():
            if other in priority:
                priority[other] = max(priority[other], priority[name])
    return {
        name: Turn(
            after=frozenset(chosen[name].after) & frozenset(names),
            behind=frozenset(other for other in chosen if priority[other] > priority[name]),
            delay=chosen[name].delay,
        )
        if name in chosen
        else Turn()
        for name in names
    }


def _sorted(graph: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Put those that others come after before them."""
    try:
        return tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = " after ".join(reversed(error.args[1]))
        raise model.Cannot(
            f"cannot order the machines: {circle}", hint="take one of them out of the after of another"
        ) from error
