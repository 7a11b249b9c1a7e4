"""Capture what an engine says to the driver: `python -m tests.lab.capture 28.5 2` writes a file of tests/wire."""

import datetime
import json
import pathlib
import sys

from tests.lab import commands, engine, images, place, world

WIRE = place.CHECKOUT / "tests" / "wire"
_RUN = ("run", "--detach", "--name")
_SLEEP = (images.BUSYBOX, "sleep", "600")


def capture(version: str, cgroup: engine.Cgroup) -> pathlib.Path:
    """Live the lives of a few containers on a lab of its own, and write each call with its answer."""
    with world.borrowed(version=version, cgroup=cgroup) as lab:
        lab.driver.restart({"FULLHOST_LOG": "debug"})
        images.ensure(lab.engine, images.BUSYBOX)
        lab.engine.restart()  # so that the first call of an engine's life is among them
        _live(lab)
        _live_with_addresses(lab)
        _live_on_pools(lab)
        lines = [line.partition("DEBUG ")[2] for line in lab.driver.log.splitlines()]
        captured = {
            "engine": lab.engine.docker("version", "--format", "{{.Server.Version}}").strip(),
            "cgroup": cgroup,
            "captured": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "pairs": [json.loads(line) for line in lines if line.startswith('{"call"')],
        }
    path = WIRE / f"{version}-cgroup{cgroup}.json"
    path.write_text(json.dumps(captured, indent=1) + "\n")
    return path


def _live(lab: world.Lab) -> None:
    """Live on a network where DNS alone decides: by the name, by the driver's option, and with a port."""
    lab.create_network("-o", "fullhost.domain=local")
    lab.engine.docker(*_RUN, "database", "--network", "fullhost", *_SLEEP)
    option = "name=fullhost,driver-opt=fullhost.name=webserver"
    lab.engine.docker(*_RUN, "other", "--network", option, "--mac-address", "02:00:00:00:00:07", *_SLEEP)
    lab.engine.docker(*_RUN, "monitor", "--network", "fullhost", "-p", "8080:80", *_SLEEP)
    lab.engine.docker("rm", "--force", "database", "other", "monitor")
    lab.engine.docker("network", "rm", "fullhost")


def _live_with_addresses(lab: world.Lab) -> None:
    """Live on a network with the driver's own IPAM: a pool that is refused, a gateway of each kind, `--ip`."""
    create = ["network", "create", "-d", "fullhost", "--ipam-driver", "fullhost"]
    _refused(lab, *create, "fullhost")
    lab.engine.docker(*create, "--subnet", "172.31.0.0/24", "fullhost")
    lab.engine.docker("network", "rm", "fullhost")
    lab.engine.docker(*create, "--subnet", "172.31.0.0/24", "--gateway", "172.31.0.1", "fullhost")
    lab.engine.docker(*_RUN, "database", "--network", "fullhost", "--ip", "172.31.0.2", *_SLEEP)
    _refused(lab, *_RUN, "nobody", "--network", "fullhost", "--ip", "172.31.0.77", *_SLEEP)
    lab.engine.docker(*_RUN, "monitor", "--network", "fullhost", *_SLEEP)
    lab.engine.docker("rm", "--force", "database", "nobody", "monitor")
    lab.engine.docker("network", "rm", "fullhost")


def _live_on_pools(lab: world.Lab) -> None:
    """Live on networks with Docker's own IPAM: one that is refused, and an address that was asked for."""
    _refused(lab, "network", "create", "-d", "fullhost", "fullhost")
    lab.engine.docker("network", "create", "-d", "fullhost", "--subnet", "172.31.0.0/24", "fullhost")
    lab.engine.docker(*_RUN, "database", "--network", "fullhost", "--ip", "172.31.0.2", *_SLEEP)
    lab.engine.docker("rm", "--force", "database")
    lab.engine.docker("network", "rm", "fullhost")


def _refused(lab: world.Lab, *words: str) -> None:
    if commands.works([*lab.engine.enter, "docker", *words]):
        raise commands.LabError(f"cannot capture a refusal: {' '.join(words)} worked; capture its success instead")


if __name__ == "__main__":
    print(capture(sys.argv[1], engine.Cgroup(sys.argv[2])))
