"""Where each millisecond of a start goes: by call, by step of the driver, and in the engine between the calls."""

import collections
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Iterable, Sequence

from tests.bench import figures, scale, start, traced
from tests.lab import place, process, unixhttp, world

_CALLS = "NetworkDriver."
_KEEPER = "keeper"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Something that took time, in seconds of CLOCK_MONOTONIC."""

    what: str
    began: float
    ended: float
    thread: str

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return (self.ended - self.began) * 1000


def measure(lab: world.Lab, size: scale.Scale) -> figures.Outcome:
    """Return the medians of what a start consists of."""
    tables = {}
    containers = start.prepare(lab, (start.OURS, start.UNNAMED))
    _serve(lab)
    try:
        for kind in (start.OURS, start.UNNAMED):
            rounds = [_start(lab, containers[kind]) for _ in range(size.warm + size.few * 2)]
            tables[f"where a start of {kind} goes"] = _table(rounds[size.warm :])
    finally:
        lab.driver.restart()
    return figures.Outcome(figures=(), tables=tables)


def _serve(lab: world.Lab) -> None:
    """Have the traced driver in the place of the lab's."""
    lab.driver.stop()
    lab.driver.socket.unlink(missing_ok=True)
    config = place.CHECKOUT / "plugin-config" / "gunicorn.conf.py"
    command = [*lab.host.enter, sys.executable, "-m", "gunicorn", "-c", str(config), "tests.bench.traced:create_app()"]
    environment = {
        "FULLHOST_SOCKET": str(lab.driver.socket),
        "FULLHOST_STATE": str(lab.where.root / "driver" / "driver.db"),
        "FULLHOST_DOCKER": lab.where.docker,
    }
    served = process.Process(lab.where, "driver")
    served.start(command, environment=environment, folder=place.CHECKOUT)
    served.until("answer", lambda: unixhttp.answers(lab.driver.socket, "/v1/status"))


def _start(lab: world.Lab, container: str) -> list[Span]:
    """Start a container and stop it again; return the spans of the start, the start itself first."""
    said = len(lab.driver.log)
    began = time.monotonic()
    start.start(lab, container)
    ended = time.monotonic()
    time.sleep(0.3)  # what the keeper does afterwards is not of the start
    log = lab.driver.log[said:]
    start.stop(lab, container)
    spans = [
        Span(**json.loads(line.removeprefix(traced.MARK))) for line in log.splitlines() if line.startswith(traced.MARK)
    ]
    within = [span for span in spans if span.began < ended and span.thread != _KEEPER]
    return [Span(what="start", began=began, ended=ended, thread=""), *sorted(within, key=lambda span: span.began)]


def _table(rounds: Sequence[Sequence[Span]]) -> tuple[tuple[str, ...], ...]:
    """Return what happens in order with the medians: of the time since the start began, and of how long it took."""
    found: dict[str, list[tuple[float, float]]] = collections.defaultdict(list)
    for spans in rounds:
        for name, at, took in _lines(spans):
            found[name].append((at, took))
    lines = [
        (statistics.median(at for at, _ in times), name, statistics.median(took for _, took in times))
        for name, times in found.items()
        if len(times) > len(rounds) / 2
    ]
    return (
        ("at ms", "took ms", "what"),
        *((f"{at:.1f}", f"{took:.1f}", name) for at, name, took in sorted(lines, key=lambda line: line[0])),
    )


def _lines(spans: Sequence[Span]) -> Iterable[tuple[str, float, float]]:
    """Yield name, begin and length of each span, of the engine's own time between the calls, and of the driver's."""
    whole, *rest = spans
    calls = [span for span in rest if span.what.startswith(_CALLS)]
    last, before, seen = whole.began, "the request", collections.Counter[str]()
    yield "the whole start", 0.0, whole.milliseconds
    for call in calls:
        short = _numbered(call.what.removeprefix(_CALLS), seen)
        yield f"engine, from {before} to {short}", (last - whole.began) * 1000, (call.began - last) * 1000
        steps = [step for step in rest if step is not call and call.began <= step.began and step.ended <= call.ended]
        yield f"  {short}", (call.began - whole.began) * 1000, call.milliseconds
        for step in steps:
            name = _numbered(f"{short}: {step.what}", seen)
            yield f"    {name}", (step.began - whole.began) * 1000, step.milliseconds
        own = call.milliseconds - sum(step.milliseconds for step in steps)
        yield f"    {short}: the rest of the driver", (call.ended - whole.began) * 1000 - 0.001, own
        last, before = call.ended, short
    yield f"engine, from {before} to the answer", (last - whole.began) * 1000, (whole.ended - last) * 1000


def _numbered(name: str, seen: collections.Counter[str]) -> str:
    """Return the name; from the second time on with its number."""
    seen[name] += 1
    return name if seen[name] == 1 else f"{name} {seen[name]}"
