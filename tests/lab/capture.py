"""Capture what an engine says to the driver: `python -m tests.lab.capture 28.5 2` writes a file of tests/wire."""

import datetime
import json
import pathlib
import sys

from tests.lab import commands, engine, images, place, world

WIRE = place.CHECKOUT / "tests" / "wire"


def capture(version: str, cgroup: engine.Cgroup) -> pathlib.Path:
    """Live the lives of three containers on a lab of its own, and write each call with its answer."""
    with world.borrowed(version=version, cgroup=cgroup) as lab:
        lab.driver.restart({"FULLHOST_LOG": "debug"})
        images.ensure(lab.engine, images.BUSYBOX)
        lab.engine.restart()  # so that the first call of an engine's life is among them
        _live(lab)
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
    sleep = [images.BUSYBOX, "sleep", "600"]
    run = ["run", "--detach", "--name"]
    lab.create_network("-o", "fullhost.domain=local")
    lab.engine.docker(*run, "database", "--network", "fullhost", *sleep)
    option = "name=fullhost,driver-opt=fullhost.name=webserver"
    lab.engine.docker(*run, "other", "--network", option, "--mac-address", "02:00:00:00:00:07", *sleep)
    publish = ["docker", *run, "monitor", "--network", "fullhost", "-p", "8080:80", *sleep]
    if commands.works([*lab.engine.enter, *publish]):
        raise commands.LabError("cannot capture a refusal: the port was published; capture its success instead")
    lab.engine.docker("rm", "--force", "database", "other", "monitor")
    lab.engine.docker("network", "rm", "fullhost")


if __name__ == "__main__":
    print(capture(sys.argv[1], engine.Cgroup(sys.argv[2])))
