"""The command line: how long `fhv` takes to say something, beside `docker ps`."""

import collections
import concurrent.futures
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from launcher import model
from tests.bench import figures, scale
from tests.lab import commands, images, place, world, zones

_FHV = [sys.executable, "-c", "from launcher.cli import main; main()"]
_DOCKER = "docker ps"
_HELP = figures.Goal(bound=120, absolute=True)
_LIST = figures.Goal(bound=600, absolute=True)


def measure(lab: world.Lab, size: scale.Scale) -> figures.Outcome:
    """Return the milliseconds of each command, from the outside: processes started until processes ended."""
    lab.create_network()
    (lab.where.root / "fhv.toml").write_text(f'image = "{images.BUSYBOX_INIT}"\nnetwork = "{world.NETWORK}"\n')
    images.ensure(lab.engine, images.BUSYBOX_INIT)
    lab.run("fhv", "start", "database")
    few, many = size.machines
    found = dict[str, tuple[list[float], list[float]]]()
    _crowd(lab, range(1, few))
    asked = {
        "fhv --help": ["--help"],
        "fhv start of one that runs": ["start", "database"],
        f"fhv list, {few}": ["list"],
    }
    found.update(_paired(lab, asked, size))
    _crowd(lab, range(few, many))
    found.update(_paired(lab, {f"fhv list, {many}": ["list"]}, size))
    goals = {"fhv --help": _HELP, f"fhv list, {many}": _LIST}
    return figures.Outcome(
        figures=tuple(
            figures.Figure(
                what=what, unit="ms", ours=tuple(ours), against=_DOCKER, theirs=tuple(docker), goal=goals.get(what)
            )
            for what, (ours, docker) in found.items()
        ),
        curves=(_curve(size.machines, found),),
    )


def _crowd(lab: world.Lab, numbers: Sequence[int]) -> None:
    """Run containers that are machines to `fhv`: what it knows them by is a label."""
    zone = zones.LOCAL
    for number in range(1, 120):
        zone = zone.replacing(f"m{number}", f"A 172.31.0.{100 + number}")
    lab.nameserver.publish(zone, zones.REVERSE)
    image = images.ensure(lab.engine, images.BUSYBOX)

    def run(number: int) -> None:
        name = f"m{number}"
        label = f"{model.MACHINE_LABEL}={name}"
        network = f"name={world.NETWORK},driver-opt=fullhost.name={name}"
        words = ("--detach", "--name", name, "--label", label, "--network", network)
        lab.engine.docker("run", *words, image, "sleep", "7200")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(run, numbers))


def _paired(
    lab: world.Lab, asked: Mapping[str, list[str]], size: scale.Scale
) -> dict[str, tuple[list[float], list[float]]]:
    """Return the milliseconds of each command, and of `docker ps` in the same rounds."""
    environment = {**os.environ, **lab.environment}
    acts = {what: [*_FHV, *words] for what, words in asked.items()} | {_DOCKER: _docker(lab)}
    took = collections.defaultdict[str, list[float]](list)
    for number in range(size.warm + max(1, size.rounds // 2)):
        for what, words in acts.items():
            began = time.perf_counter()
            _run(words, environment)
            if number >= size.warm:
                took[what].append((time.perf_counter() - began) * 1000)
    return {what: (took[what], took[_DOCKER]) for what in asked}


def _docker(lab: world.Lab) -> list[str]:
    return [*lab.engine.enter, "env", "--unset=DOCKER_HOST", "docker", "ps"]


def _run(words: Sequence[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(words, env=environment, cwd=place.CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise commands.LabError(f"cannot measure {' '.join(words)}: {done.stderr}")


def _curve(machines: tuple[int, ...], found: Mapping[str, tuple[list[float], list[float]]]) -> figures.Curve:
    listed = [found[f"fhv list, {number}"] for number in machines]
    lines = {
        line: tuple((float(n), statistics.median(both[which])) for n, both in zip(machines, listed, strict=True))
        for which, line in enumerate(("fhv list", _DOCKER))
    }
    return figures.Curve(title="Listing machines", x="machines that run", y="ms", lines=lines)
