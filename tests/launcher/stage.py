"""`fhv` as a program of its own, over the fakes: `python -m tests.launcher.stage WORDS`.

It has the machines web, which runs, and db, which does not, each with a snapshot. FHV_ACTS names a file that is told
what was done; with STAGE_ALIAS web has an alias, with STAGE_HANGS the engine hangs when it is to start a machine.
"""

import os
import pathlib
import sys
import time

from launcher import cli, model
from tests.launcher import fakes, test_cli

_LOOKS = ("network ", "run ", "console ")
ZONE = {"host": 1, "web": 2, "db": 3}


class Hanging(fakes.Engine):
    """An engine that hangs."""

    def start(self, name: str, container: str) -> str:
        time.sleep(60)
        return ""


class World(test_cli.World):
    """The fakes, with snapshots."""

    def __init__(self) -> None:
        stopped = fakes.machine("db", state=model.State.EXITED)
        running = fakes.machine("web", aliases=("www",) if os.environ.get("STAGE_ALIAS") else ())
        engine = Hanging if os.environ.get("STAGE_HANGS") else fakes.Engine
        super().__init__(engine(running, stopped), fakes.Driver(ZONE))
        self.images = fakes.Depot()
        self.images.commit(fakes.machine("web"), tag="snap0")
        self.images.calls.clear()

    def depot(self) -> fakes.Depot:  # type: ignore[override]
        return self.images

    def acts(self) -> list[str]:
        """Give what was done, without what was only looked at."""
        done = [*self.engine().calls, *(f"image {call}" for call in self.images.calls)]
        return [call for call in done if not call.startswith(_LOOKS)]


if __name__ == "__main__":
    there = World()
    try:
        cli.run(sys.argv[1:], name="fhv", there=there)
    finally:
        if told := os.environ.get("FHV_ACTS"):
            pathlib.Path(told).write_text("".join(f"{act}\n" for act in there.acts()))
