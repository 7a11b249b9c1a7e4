"""How much of everything a run measures: the whole, or as little as proves that the benchmark works."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """Rounds and sizes; `rounds` is of what takes a second or less, what takes longer gets a part of it."""

    rounds: int
    endpoints: tuple[int, ...]  # that stand while something is measured
    at_once: tuple[int, ...]  # callers
    starts: int  # of one caller's endpoints, for one sample
    lifecycles: int
    machines: tuple[int, ...]
    names: int | None  # of the seed's zone; None: all
    boot: int  # containers that come up with the engine
    ways: int  # from a machine to a server
    seconds: float  # of one stream of octets

    @property
    def warm(self) -> int:
        """Rounds before those that count: they fill every cache."""
        return 0 if self.rounds == 1 else 1

    @property
    def some(self) -> int:
        """Rounds of many things of a second each."""
        return max(1, self.rounds // 4)

    @property
    def few(self) -> int:
        """Rounds of what takes many seconds."""
        return max(1, self.rounds // 8)


FULL = Scale(
    rounds=40,
    endpoints=(10, 100, 1000),
    at_once=(1, 2, 4, 8, 16, 32),
    starts=200,
    lifecycles=10_000,
    machines=(10, 100),
    names=None,
    boot=30,
    ways=3,
    seconds=1,
)
SMOKE = Scale(
    rounds=1,
    endpoints=(1, 4),
    at_once=(1, 2),
    starts=4,
    lifecycles=8,
    machines=(1, 2),
    names=1,
    boot=2,
    ways=1,
    seconds=0.2,
)
