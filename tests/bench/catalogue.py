"""The benchmarks by name: a row here is run, shown and drawn, and tried by the smoke run."""

import dataclasses
from collections.abc import Callable, Mapping

from tests.bench import boot, calls, commandline, datapath, figures, memory, recovery, scale, start, trace, zone
from tests.lab import world


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """What it tells, what does it, and whether it tells something else on each engine."""

    about: str
    measure: Callable[[world.Lab, scale.Scale], figures.Outcome]
    each_engine: bool = True


BENCHMARKS: Mapping[str, Benchmark] = {
    "start": Benchmark(about="`docker start` beside Docker's own networks", measure=start.measure),
    "trace": Benchmark(about="where each millisecond of a start goes", measure=trace.measure),
    "zone": Benchmark(about="`fhv start` of the seed's zone beside the seed's way", measure=zone.measure),
    "calls": Benchmark(
        about="the driver alone, by protocol, and the kernel's limit", measure=calls.measure, each_engine=False
    ),
    "path": Benchmark(about="throughput and latency beside Docker's bridge", measure=datapath.measure),
    "memory": Benchmark(about="PSS idle, full, and after many lifecycles", measure=memory.measure, each_engine=False),
    "recovery": Benchmark(about="after SIGKILL of the driver", measure=recovery.measure, each_engine=False),
    "command": Benchmark(about="`fhv` beside `docker ps`", measure=commandline.measure),
    "boot": Benchmark(about="an engine that starts with containers", measure=boot.measure),
}
