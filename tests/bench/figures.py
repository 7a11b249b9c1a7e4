"""What a measurement says: medians of paired rounds, their ratio and its spread, and whether the goal is met (pure)."""

import dataclasses
import math
import statistics
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """A bound on the ratio, or on our own median where `absolute`; `together` is one on the mean over the engines."""

    bound: float
    absolute: bool = False
    at_least: bool = False
    together: float | None = None

    def met(self, value: float, *, together: bool = False) -> bool:
        """Tell whether a value keeps the bound."""
        bound = self.together if together and self.together is not None else self.bound
        return value >= bound if self.at_least else value <= bound


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One line of the table: our samples by round, and those of `against` from the same rounds, where there is one."""

    what: str
    unit: str
    ours: tuple[float, ...]
    against: str = ""
    theirs: tuple[float, ...] = ()
    goal: Goal | None = None

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ours to theirs, round by round: what disturbs the machine for a while disturbs both."""
        return tuple(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=bool(self.theirs)))

    @property
    def ratio(self) -> float | None:
        """The median of the ratios; None where nothing is compared."""
        return statistics.median(self.ratios) if self.theirs else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        value = statistics.median(self.ours) if self.goal.absolute else self.ratio
        return None if value is None else self.goal.met(value)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """How something grows: by line, its (x, y) points."""

    title: str
    x: str
    y: str
    lines: dict[str, tuple[tuple[float, float], ...]]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """All that one benchmark found on one engine; `tables` are lists of rows, the first of which is the heading."""

    figures: tuple[Figure, ...]
    curves: tuple[Curve, ...] = ()
    tables: dict[str, tuple[tuple[str, ...], ...]] = dataclasses.field(default_factory=dict)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the bounds of the middle half of the values."""
    return percentile(values, 25), percentile(values, 75)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of the values do not exceed, between two of them in proportion."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def together(ratios: Sequence[float]) -> float:
    """Return the mean of ratios of several engines: the geometric one, which has no engine weigh more."""
    return statistics.geometric_mean(ratios)
