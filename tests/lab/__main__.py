"""The lab by hand: `python -m tests.lab up` leaves it running, `down` takes it away."""

import argparse
import contextlib
import os
import sys

from tests.lab import commands, engine, host, images, leftovers, place, trees, world, zones

_USE = """\
The lab {name} is up: engine {version}, cgroup v{cgroup}, zone {domain}. LAB below stands for
    {lab}

LAB run docker ps            on the host: its network, its names, its engine, fhv of this checkout
LAB run fhv start database
LAB run bash                 a shell there; where the engine runs itself: nsenter -m -n -p -t {holder} bash
LAB restart driver           after a change of the code; or engine, named, host (the power goes and comes)
LAB down

from elsewhere  DOCKER_HOST={docker} FHV_CONFIG={root}/fhv.toml FULLHOST_SOCKET={socket}
driver          curl --unix-socket {socket} http://fullhost/v1/status
zones           {root}/named/*.zone (edit, raise the serial, LAB restart named)
logs            {root}/log/
images          {images}; no registry can be reached
outside world   LAB run docker run --rm --network {network} --name database {busybox} nc {outside} {port}
                prints the address that the packet has out there
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--name", default="main", help="which lab, if there are several (default: main)")
    words = parser.add_subparsers(dest="word", required=True)
    up = words.add_parser("up", help="bring it up anew and leave it running")
    up.add_argument("--engine", choices=list(trees.ENGINES), default=world.DEFAULT_ENGINE)
    up.add_argument("--cgroup", choices=list(engine.Cgroup), default=engine.Cgroup.V2, type=engine.Cgroup)
    up.add_argument("--no-network", action="store_true", help=f"do not create the network {world.NETWORK}")
    words.add_parser("down", help="take it away, whole")
    words.add_parser("status", help="say what runs")
    run = words.add_parser("run", help="run a command on its host")
    run.add_argument("command", nargs=argparse.REMAINDER)
    restart = words.add_parser("restart", help="restart a part of it")
    restart.add_argument("part", choices=["driver", "engine", "named", "host"])
    return parser


def _up(name: str, *, version: str, cgroup: engine.Cgroup, network: bool) -> None:
    where = place.Place(name)
    lab = world.Lab(where=where, version=version, cgroup=cgroup)
    leftovers.clear_abandoned()
    with place.locked(where.lock, wait=False), contextlib.ExitStack() as undo:
        undo.callback(lab.down)
        lab.up()
        for image in (images.BUSYBOX, images.SYSTEMD):
            images.ensure(lab.engine, image)
        if network:
            lab.create_network()
        lab.keep()
        undo.pop_all()
    print(_usage(lab))


def _usage(lab: world.Lab) -> str:
    where = lab.where
    return _USE.format(
        name=where.name,
        lab=f"{sys.executable} -m tests.lab" + (f" --name {where.name}" if where.name != "main" else ""),
        version=lab.version,
        cgroup=lab.cgroup,
        domain=zones.LOCAL.origin,
        outside=host.OUTSIDE_ADDRESS,
        docker=where.docker,
        holder=(where.run / "holder.pid").read_text().strip(),
        socket=where.plugin,
        root=where.root,
        images=", ".join((images.BUSYBOX, images.SYSTEMD)),
        network=world.NETWORK,
        busybox=images.BUSYBOX,
        port=host.MIRROR_PORT,
    )


def _down(name: str) -> None:
    where = place.Place(name)
    with place.locked(where.lock, wait=False):
        leftovers.clear(where)
    leftovers.clear_abandoned()


def _status() -> None:
    for name in leftovers.names():
        try:
            lab = world.kept(name)
        except commands.LabError:
            print(f"{name}: held by a test run, or left by one that was killed")
            continue
        parts = {"engine": lab.engine.pid, "driver": lab.driver.pid, "named": lab.nameserver.pid}
        pids = ", ".join(f"{part} pid {pid or 'none, it does not run'}" for part, pid in parts.items())
        print(f"{name}: engine {lab.version}, cgroup v{lab.cgroup}; {pids}")


def _restart(name: str, part: str) -> None:
    lab = world.kept(name)
    match part:
        case "driver":
            lab.driver.restart()
        case "engine":
            lab.engine.restart()
        case "named":
            lab.nameserver.restart()
        case _:
            lab.reboot(bridge=True)


def _run(name: str, command: list[str]) -> None:
    lab = world.kept(name)
    words = [*lab.enter, *command]
    os.execvpe(words[0], words, {**os.environ, **lab.environment})  # noqa: S606 - the words are the user's own


def main() -> int:
    """Do one word of the command line; return the exit code."""
    asked = _parser().parse_args()
    try:
        match asked.word:
            case "up":
                _up(asked.name, version=asked.engine, cgroup=asked.cgroup, network=not asked.no_network)
            case "down":
                _down(asked.name)
            case "status":
                _status()
            case "restart":
                _restart(asked.name, asked.part)
            case _:
                _run(asked.name, asked.command)
    except commands.LabError as error:
        print(f"tests.lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
