"""The driver alone: the calls of starts and stops by protocol, from 1 to 32 callers, with 10 to 1,000 endpoints."""

import collections
import dataclasses
import json
import statistics
import sys

from tests.bench import caller, figures, scale
from tests.lab import commands, place, world

_WAVE = 16  # endpoints that are started together, and then stopped
_MOST = 960  # that may stand: a bridge has 1,023 ports, and a wave of 32 needs some


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What starts and stops took, in milliseconds by call, and the seconds of all of them."""

    starts: list[dict[str, float]]
    stops: list[dict[str, float]]
    seconds: float

    @property
    def sums(self) -> tuple[float, ...]:
        """All the calls of each start together."""
        return tuple(sum(start.values()) for start in self.starts)

    @property
    def rate(self) -> float:
        """Endpoints made and deleted in a second."""
        return len(self.starts) / self.seconds


def measure(lab: world.Lab, size: scale.Scale) -> figures.Outcome:
    """Return latencies and rates by callers and standing endpoints, and the kernel's own limit."""
    calls = caller.engage(lab)
    found: dict[int, dict[int, Sample]] = collections.defaultdict(dict)
    raw: dict[int, dict[str, list[float]]] = {}
    with caller.sandbox(lab) as take:
        standing = 0
        for wanted in size.endpoints:
            names = caller.NAMES[standing : min(wanted, _MOST)]
            caller.settle(calls, names, take)
            standing += len(names)
            for callers in size.at_once:
                found[wanted][callers] = _lifecycles(calls, callers, size.starts)
                if wanted == size.endpoints[0]:
                    raw[callers] = _raw(lab, callers, size.starts)
    return figures.Outcome(
        figures=tuple(_figures(found, raw)), curves=_curves(found, raw), tables={"p50 and p99 by call": _table(found)}
    )


def _lifecycles(calls: caller.Caller, callers: int, count: int) -> Sample:
    starts, stops, seconds = list[dict[str, float]](), list[dict[str, float]](), 0.0
    free = caller.NAMES[_MOST:]
    while len(starts) < count:
        wave = free[: max(min(_WAVE, count), callers)]
        for calls_of, act in ((starts, calls.start), (stops, calls.stop)):
            took, lasted = caller.together(callers, wave, act)
            calls_of.extend(took)
            seconds += lasted
    return Sample(starts=starts, stops=stops, seconds=seconds)


def _raw(lab: world.Lab, callers: int, count: int) -> dict[str, list[float]]:
    words = [sys.executable, "-m", "tests.bench.rawlinks", str(callers), str(count), caller.BRIDGE]
    said = commands.run([*lab.host.enter, "env", f"--chdir={place.CHECKOUT}", *words], timeout=300)
    found = json.loads(said)
    return {"made": found["made"], "deleted": found["deleted"], "rate": [count / found["all"] * 1000]}


def _figures(found: dict[int, dict[int, Sample]], raw: dict[int, dict[str, list[float]]]) -> list[figures.Figure]:
    few, many = min(found), max(found)
    one, crowd = min(raw), max(callers for callers in raw if callers <= 16)
    crowded = found[few][crowd]
    single = [took for start in crowded.starts for took in start.values()]
    slowest = figures.percentile(raw[crowd]["made"], 99)
    p99 = figures.Goal(bound=25, absolute=True)
    at = f"{crowd} at once, {few} standing"
    return [
        figures.Figure(
            what=f"the calls of a start together, p50, {one} at once, {few} standing",
            unit="ms",
            ours=found[few][one].sums,
            goal=figures.Goal(bound=8, absolute=True),
        ),
        figures.Figure(
            what=f"one call of a start, p99, {at}", unit="ms", ours=(figures.percentile(single, 99),), goal=p99
        ),
        figures.Figure(what=f"raw netlink: a pair made, p99, {crowd} at once", unit="ms", ours=(slowest,)),
        figures.Figure(
            what=f"the calls of a start together, p99, {at}",
            unit="ms",
            ours=(figures.percentile(crowded.sums, 99),),
            goal=p99,
        ),
        figures.Figure(
            what=f"the calls of a start together, p50, {one} at once, {many} standing",
            unit="ms",
            ours=(statistics.median(found[many][one].sums),),
            against=f"{few} standing",
            theirs=(statistics.median(found[few][one].sums),),
            goal=figures.Goal(bound=1.2),
        ),
        figures.Figure(  # it touches nothing: what it grows is the machine's doing, and the growth above has it too
            what=f"EndpointOperInfo, p50, {one} at once, {many} standing",
            unit="ms",
            ours=(_idle(found[many][one]),),
            against=f"{few} standing",
            theirs=(_idle(found[few][one]),),
        ),
        *(
            figures.Figure(
                what=f"endpoints made and deleted, {callers} at once, {few} standing",
                unit="/s",
                ours=(sample.rate,),
                against="raw netlink",
                theirs=tuple(raw[callers]["rate"]),
            )
            for callers, sample in found[few].items()
        ),
    ]


def _idle(sample: Sample) -> float:
    return statistics.median(start["EndpointOperInfo"] for start in sample.starts)


def _curves(found: dict[int, dict[int, Sample]], raw: dict[int, dict[str, list[float]]]) -> tuple[figures.Curve, ...]:
    latency = {
        f"p{percent}, {standing:,} standing": tuple(
            (float(callers), figures.percentile(sample.sums, percent)) for callers, sample in samples.items()
        )
        for standing, samples in found.items()
        for percent in (50, 99)
    }
    rates = {
        f"driver, {standing:,} standing": tuple((float(callers), sample.rate) for callers, sample in samples.items())
        for standing, samples in found.items()
    }
    limit = {"raw netlink": tuple((float(callers), took["rate"][0]) for callers, took in raw.items())}
    return (
        figures.Curve(title="The calls of a start", x="starts at once", y="ms", lines=latency),
        figures.Curve(title="Made and deleted", x="at once", y="endpoints a second", lines=rates | limit),
    )


def _table(found: dict[int, dict[int, Sample]]) -> tuple[tuple[str, ...], ...]:
    callers = sorted({callers for samples in found.values() for callers in samples})
    heading = ("standing", "call", *(f"{number} at once" for number in callers))
    rows = [heading]
    for standing, samples in found.items():
        sample = samples[callers[0]]
        for call in (*sample.starts[0], *sample.stops[0]):
            took = {n: [each[call] for each in (*s.starts, *s.stops) if call in each] for n, s in samples.items()}
            cells = [f"{statistics.median(took[n]):.1f} / {figures.percentile(took[n], 99):.1f}" for n in callers]
            rows.append((f"{standing:,}", call, *cells))
    return tuple(rows)
