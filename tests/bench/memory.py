"""Memory: the proportional set size (PSS) of all the driver's processes, idle, full, and after many lifecycles."""

import contextlib
import pathlib
import re

from tests.bench import caller, figures, scale
from tests.lab import commands, world

_CALLERS = 4
_WAVE = 40


def measure(lab: world.Lab, size: scale.Scale) -> figures.Outcome:
    """Return the megabytes: of a driver that has just started, with endpoints standing, and after many are gone."""
    calls = caller.engage(lab)
    lab.driver.restart()
    idle = pss(lab)
    grown = {0: idle}
    standing = caller.NAMES[: size.endpoints[-1]]
    with caller.sandbox(lab) as take:
        caller.settle(calls, standing, take)
        lab.driver.get("/v1/status")
        full = pss(lab)
    caller.together(_CALLERS, standing, calls.stop)
    wave, step = min(_WAVE, size.lifecycles), max(_WAVE, size.lifecycles // 10)
    for done in range(wave, size.lifecycles + 1, wave):
        for act in (calls.start, calls.stop):
            caller.together(_CALLERS, caller.NAMES[:wave], act)
        if done % step < wave:
            grown[done] = pss(lab)
    last = grown[size.lifecycles] = pss(lab)
    half = grown[min(grown, key=lambda done: abs(done - size.lifecycles / 2))]
    points = tuple((float(max(done, 1)), megabytes) for done, megabytes in grown.items())
    return figures.Outcome(
        figures=(
            _figure("idle", idle, figures.Goal(bound=55, absolute=True)),
            _figure(f"with {len(standing):,} endpoints", full, None),
            _figure(f"more, with {len(standing):,} endpoints", full - idle, figures.Goal(bound=5, absolute=True)),
            _figure(f"after {max(grown):,} lifecycles", last, None),
            _figure("more in the second half of the lifecycles", last - half, figures.Goal(bound=1, absolute=True)),
        ),
        curves=(figures.Curve(title="PSS of the driver", x="lifecycles", y="MB", lines={"PSS": points}),),
    )


def pss(lab: world.Lab) -> float:
    """Return the megabytes of the driver's processes together; what they share is counted once."""
    first = lab.driver.pid
    if first is None:
        raise commands.LabError("cannot measure: the driver does not run; see its log")
    kilobytes = 0
    for pid in _family(first):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # a program that it ran, and that is over
            rollup = re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
            kilobytes += int(rollup[1]) if rollup else 0
    return kilobytes * 1024 / 1e6


def _family(pid: int) -> list[int]:
    """Return a process with its children and theirs."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    children = list[int]()
    for task in tasks:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # a thread that is over
            children.extend(map(int, task.read_text().split()))
    return [pid, *(member for child in children for member in _family(child))]


def _figure(what: str, megabytes: float, goal: figures.Goal | None) -> figures.Figure:
    return figures.Figure(what=f"PSS {what}", unit="MB", ours=(megabytes,), goal=goal)
