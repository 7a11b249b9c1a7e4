"""`fhv` as a program of its own, over the fakes: `python -m tests.launcher.stage WORDS`.

It has the machines web, which runs, and db, which does not, each with a snapshot. FHV_ACTS names a file that is told
what was done.
"""

import os
import pathlib
import sys

from launcher import cli, model
from tests.launcher import fakes, test_cli

_LOOKS = ("network ", "run ", "console ")
ZONE = {"host": 1, "web": 2, "db": 3}


class World(test_cli.World):
    """The fakes, with snapshots."""

    def __init__(self) -> None:
        stopped = fakes.machine("db", state=model.State.EXITED)
        running = fakes.machine("web", aliases=("www",) if os.environ.get("STAGE_ALIAS") else ())
        super().__init__(fakes.Engine(running, stopped), fakes.Driver(ZONE))
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
        cli.fhv.main(sys.argv[1:], obj=there, prog_name="fhv")
    finally:
        if told := os.environ.get("FHV_ACTS"):
            pathlib.Path(told).write_text("".join(f"{act}\n" for act in there.acts()))
